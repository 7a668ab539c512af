"""What to do next about a rejected message, for each reason, in both languages. One table; a test holds it against `Reason`."""

from typing import Final

from ingest.errors import Reason
from ingest.words import words

_CONTRACT: Final = (
    "Hold the payload against schemas/ (`detail` names the field) and correct the device; it must publish again.",
    "对照 schemas/ 检查报文(detail 指出字段),修正设备或其配置后重新上报。",
)
_CLOCK: Final = ("Correct the clock of the device or gateway; it must publish again.", "校正设备或网关的时钟后重新上报。")
_REGISTER: Final = (
    "Add it to meters.csv and run `meterwarden registry import DIRECTORY`; the message then replays by itself.",
    "在 meters.csv 中补登后执行 `meterwarden registry import 目录`,消息会自动重放。",
)
_DEFECT: Final = (
    "A defect in Meterwarden: report it with `meterwarden quarantine export FILE {id}`; after an update replay it.",
    "这是 Meterwarden 的缺陷:执行 `meterwarden quarantine export 文件 {id}` 并报告,升级后再重放。",
)
_CRASHES: Final = (
    "The database server ends the connection that writes it: look in the server's log, mend the server, then replay it.",
    "数据库服务器在写入它时会断开连接:查看服务器日志,修复服务器后再重放。",
)

HINTS: Final[dict[Reason, tuple[str, str]]] = {
    Reason.UNKNOWN_TOPIC: (
        "The device publishes under a name that is not in docs/reference.md; correct its topic.",
        "设备使用了 docs/reference.md 之外的主题,请修正其主题。",
    ),
    Reason.EMPTY_PAYLOAD: (
        "Nothing to recover. Often a tool that clears retained messages; else look at the device.",
        "没有可恢复的内容。通常是清除保留消息的工具所致,否则检查设备。",
    ),
    Reason.TOO_LARGE: (
        "Let the gateway send smaller batches, or raise METERWARDEN_INTAKE__MAX_PAYLOAD_BYTES for `quarantine replay`.",
        "让网关减小批次,或在 `quarantine replay` 时调大 METERWARDEN_INTAKE__MAX_PAYLOAD_BYTES。",
    ),
    Reason.INVALID_UTF8: _CONTRACT,
    Reason.MALFORMED_JSON: _CONTRACT,
    Reason.TOO_DEEP: _CONTRACT,
    Reason.WRONG_TYPE: _CONTRACT,
    Reason.MISSING_FIELD: _CONTRACT,
    Reason.UNKNOWN_FIELD: _CONTRACT,
    Reason.NOT_FINITE: _CONTRACT,
    Reason.NEGATIVE_VALUE: (
        "A register cannot be negative: check meter and wiring; export goes into energy_export_kwh.",
        "表计示数不能为负:检查表计与接线;反向电量应填入 energy_export_kwh。",
    ),
    Reason.OUT_OF_RANGE: (
        "More than the register can show: correct register_digits in meters.csv and replay, or look at the meter.",
        "超出表计量程:修正 meters.csv 中的 register_digits 后重放,或检查表计。",
    ),
    Reason.NAIVE_TIME: (
        "The time has no offset: let the device send one, such as 2026-10-01T08:00:00+08:00.",
        "时间缺少时区偏移:应为 2026-10-01T08:00:00+08:00 这样的格式。",
    ),
    Reason.INVALID_TIME: _CLOCK,
    Reason.TIME_IN_FUTURE: _CLOCK,
    Reason.TOO_OLD: (
        "Good readings: METERWARDEN_INTAKE__ACCEPT_DAYS_BACK=400 meterwarden quarantine replay {id}. Else correct the clock.",
        "读数可信时: METERWARDEN_INTAKE__ACCEPT_DAYS_BACK=400 meterwarden quarantine replay {id};否则校正设备时钟。",
    ),
    Reason.IDENTITY_MISMATCH: (
        "A device speaks for a meter that is not its own: correct gateway or validity in meters.csv and replay, or find it.",
        "设备代报了不属于它的表计:修正 meters.csv 中的网关或有效期后重放,否则查明来源。",
    ),
    Reason.UNKNOWN_METER: _REGISTER,
    Reason.UNKNOWN_REGISTER: _REGISTER,
    Reason.DECODER_ERROR: _DEFECT,
    Reason.UNSTORABLE: _DEFECT,
    Reason.BREAKS_CONNECTION: _CRASHES,
}


def hint(reason: str, number: int) -> str:
    """What to do next about a message; a reason of another version has only the general answer."""
    texts = HINTS[Reason(reason)] if reason in set(Reason) else _DEFECT
    return words(*texts).format(id=number)
