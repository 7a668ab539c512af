"""Data quality: how much is known, where most is missing, what validation found, which gateways are silent, what was rejected."""

from typing import Final

from ingest.dashboards.board import REGION, Board, Row, Variable
from ingest.dashboards.columns import columns
from ingest.dashboards.panels import BARS, FIELDS, STACKED, Column, Panel, Sql
from ingest.dashboards.words import KNOWN_STEPS, MEDIA, MISSING_STEPS, SEVERITIES, SHARES, lines

NO_DAYS: Final = ("时间范围内没有已结算的数据。", "nothing is settled in the time range.")
COMPLETE: Final = (
    Panel(
        kind="stat",
        width=8,
        height=8,
        title=("时间范围内的完整性", "How much is known"),
        unit="percentunit",
        steps=KNOWN_STEPS,
        decimals=1,
        about=(
            "主表时间中实测、估算、缺失的占比,含范围内所有日;今天尚未过去的部分计为缺失。",
            "Shares of the main meters' time that were measured, estimated and missing. What is left of today counts as missing.",
        ),
        empty=NO_DAYS,
        options=FIELDS,
        queries=[Sql("known")],
        columns={**SHARES, "measured": Column(SHARES["measured"].words)},
    ),
    Panel(
        width=16,
        title=("每日完整性", "By day"),
        unit="percentunit",
        custom={**BARS, **STACKED},
        limits=(0, 1),
        columns=SHARES,
        about=(
            "各地区、能源合计;今天尚未结束的部分计为缺失。",
            "All regions and media chosen; the rest of today counts as missing.",
        ),
        empty=NO_DAYS,
        queries=[Sql("known_by_day", series=True)],
    ),
    Panel(
        kind="table",
        width=24,
        height=10,
        title=("缺失最多的单位", "Where most is missing"),
        steps=MISSING_STEPS,
        about=(
            "时间范围内缺失占比最高的单位与能源;点击编码打开单位看板。",
            "Institutions and media by the share that is missing; a code opens the institution.",
        ),
        empty=NO_DAYS,
        queries=[Sql("most_missing")],
        columns=columns("institution name region medium missing_share estimated_share silent_days"),
    ),
)

FINDINGS: Final = (
    Panel(
        kind="barchart",
        width=8,
        height=10,
        title=("未处理发现,按规则", "Open findings by rule"),
        options={"xField": "rule", "orientation": "horizontal"},
        about=(
            "各规则的未处理发现数;规则含义见 docs/vee.md。",
            "How many wait for somebody; docs/vee.md says what each rule means.",
        ),
        empty=("没有未处理的发现。", "no finding is open."),
        queries=[Sql("findings_by_rule")],
        columns=lines(SEVERITIES),
    ),
    Panel(
        kind="table",
        width=16,
        height=10,
        title=("处理顺序", "What to look at first"),
        about=(
            "按存疑量占单位四周用量排序;同一单位同一规则最多三条,另有数列出其余条数。",
            (
                "By the amount in doubt over what the institution used in four weeks; at most three of a rule and institution, "
                "the last says how many more."
            ),
        ),
        empty=("没有未处理的发现。", "no finding is open."),
        queries=[Sql("finding_board")],
        columns=columns("rank severity rule institution medium meter from_day to_day impact unit impact_share held_back finding"),
    ),
)

SILENT: Final = (
    Panel(
        kind="table",
        width=24,
        title=("网关", "Gateways"),
        about=(
            "网关最近一次上线或离线,离线的在前;一个离线网关会使其下所有表静默。",
            "The newest connection of each, those offline first; one that is off silences every meter under it.",
        ),
        empty=("没有网关发布过状态。", "no gateway has stated its state."),
        queries=[Sql("gateways")],
        columns=columns("status institution name gateway connected_at received_at"),
    ),
)

REJECTED: Final = (
    Panel(
        kind="table",
        width=8,
        title=("隔离区,按原因", "In quarantine, by reason"),
        about=("未解决的被拒消息;报文完整保留,可重放。", "Rejected messages not resolved; each is kept whole and can be replayed."),
        empty=("隔离区没有未解决的消息。", "nothing is open in quarantine."),
        queries=[Sql("quarantine_by_reason")],
        columns=columns("reason messages oldest newest"),
    ),
    Panel(
        kind="table",
        width=16,
        title=("最近被拒的消息", "Rejected lately"),
        about=(
            "时间范围内未解决的消息,不含报文;用 meterwarden quarantine show 查看报文。",
            "Open ones of the time range, without their payload: `meterwarden quarantine show` has it.",
        ),
        empty=("时间范围内没有被拒消息。", "nothing was rejected in the time range, or all of it is resolved."),
        queries=[Sql("rejected_lately")],
        columns=columns("message received_at reason topic detail bytes"),
    ),
    Panel(
        kind="table",
        width=24,
        height=6,
        title=("隔离区的删除", "Deletions from quarantine"),
        about=(
            "每次删除的记录;作者 cap 为服务在达到上限时所删。open 的读数未入库。",
            "Every deletion; the author cap is the service at its limit. Readings of open ones are stored nowhere.",
        ),
        empty=("从未删除。", "nothing was ever deleted in the time range."),
        queries=[Sql("purges")],
        columns=columns("purged_at author because filter open resolved bytes"),
    ),
)

BOARD: Final = Board(
    name="quality",
    words=("数据质量", "data quality"),
    about=(
        "数据知道多少、缺在哪里、校验发现了什么、哪些网关离线、拒收了什么。",
        "How much is known, where most is missing, what validation found, which gateways are off, what was rejected.",
    ),
    variables=[
        REGION,
        Variable(name="medium", words=("能源", "Medium"), values={**MEDIA, "charger": ("充电桩", "charger")}, several=True),
    ],
    rows=[
        Row(("完整性", "Completeness"), COMPLETE),
        Row(("校验发现", "Findings"), FINDINGS),
        Row(("网关", "Gateways"), SILENT),
        Row(("拒收", "Rejected"), REJECTED),
    ],
    time_from="now-30d",
    refresh="5m",
)
