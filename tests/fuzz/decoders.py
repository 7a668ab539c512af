"""What holds for any payload on any topic: one verdict, a reason that is not our own fault, nothing that cannot be stored."""

from collections import Counter
from typing import Final
from unittest.mock import patch

from ingest import intake
from ingest.errors import Reason, Rejection, Stage
from ingest.formats import native_v1, status_v1
from ingest.formats.faults import DETAIL_LIMIT
from ingest.intake import AcceptWindow, assess_one
from ingest.messages import Assessed, Message
from ingest.metering.calendar import HOUR_US, instant
from ingest.metering.registers import INTEGER_LIMIT
from ingest.registry import RegisteredMeter, Registry
from schemas.reading import MAX_READINGS
from schemas.registers import REGISTERS
from tests.fuzz.payloads import READING_TOPICS, RECEIVED

WINDOW: Final = AcceptWindow(back_us=45 * 24 * HOUR_US, ahead_us=HOUR_US // 6)
MAX_PAYLOAD_BYTES: Final = 256 * 1024
OURS: Final = (Reason.DECODER_ERROR, Reason.UNSTORABLE)
FOREVER: Final = 2**63 - 1


def _meter(medium: str, code: str, number: int, registers: list[str]) -> RegisteredMeter:
    channels = [(name, 10 * number + place, 3) for place, name in enumerate(registers)]
    return RegisteredMeter("I1", medium, code, "G1", number, 0, FOREVER, 7, channels)


REGISTRY: Final = Registry(1, [
    _meter("electricity", "E1", 1, ["energy_import_kwh", "power_kw"]),
    _meter("water", "W1", 2, ["volume_m3"]),
    _meter("charger", "C1", 3, ["energy_import_kwh"]),
])  # fmt: skip

verdicts: Counter[str] = Counter()
"""What payloads came to, in this process: shows that the fuzzing reaches every corner."""


def one_verdict(payload: bytes, odd_topic: str) -> None:
    """On every topic: readings or sessions, or a rejection with a known reason; the same again; all of it fit for the database."""
    for topic in (*READING_TOPICS, odd_topic):
        _one_verdict(topic, payload)


def _one_verdict(topic: str, payload: bytes) -> None:
    message = Message(topic, payload, 1, False, 1, 1, instant(RECEIVED))
    assessed = assess_one(message, REGISTRY, WINDOW, MAX_PAYLOAD_BYTES)
    assert assessed == assess_one(message, REGISTRY, WINDOW, MAX_PAYLOAD_BYTES)
    assert _told(assessed) == _told(_by_contract(message)), "the usual way says something else than the contract"
    verdicts[assessed.rejected.reason if assessed.rejected else "accepted"] += 1
    if assessed.rejected is None:
        assert assessed.rows or assessed.sessions, "neither accepted nor rejected"
    else:
        _fit_to_keep(assessed)
    assert len(assessed.rows) <= MAX_READINGS * len(REGISTERS)
    earliest, latest = message.received_at - WINDOW.back_us, message.received_at + WINDOW.ahead_us
    for row in assessed.rows:
        assert abs(row.value) < INTEGER_LIMIT
        assert earliest <= row.read_at <= latest
    for session in assessed.sessions:
        assert _storable(session.session)
        assert max(session.start_register, session.stop_register or 0, session.session_energy or 0) < INTEGER_LIMIT


def _by_contract(message: Message) -> Assessed:
    with patch.object(intake, "usual_rows", lambda *_: None):
        return assess_one(message, REGISTRY, WINDOW, MAX_PAYLOAD_BYTES)


def _told(assessed: Assessed) -> tuple[object, ...]:
    """To the last bit and type; the order of a reading's registers says nothing."""
    return repr(sorted(assessed.rows)), assessed.rejected, assessed.sessions


def _fit_to_keep(assessed: Assessed) -> None:
    rejected = assessed.rejected
    assert rejected is not None
    assert Reason(rejected.reason) not in OURS, rejected.detail
    assert Stage(rejected.stage)
    assert len(rejected.detail) <= DETAIL_LIMIT
    assert all(map(_storable, [rejected.detail, *rejected.wanted]))
    assert rejected.failing == sorted(set(rejected.failing))
    assert len(rejected.wanted) <= MAX_READINGS


def _storable(text: str) -> bool:
    """PostgreSQL's text holds no NUL, and nothing that is no UTF-8."""
    return "\0" not in text and bool(text.encode() or True)


def nothing_but_rejections(payload: bytes) -> None:
    """Every decoder by itself, without the net that intake spreads below it."""
    for medium in ("electricity", "water", "charger", "gateway"):
        _rejects(lambda medium=medium: native_v1.decode(medium, payload))
    _rejects(lambda: native_v1.decode_session(payload))
    _rejects(lambda: [_state(state) for state in status_v1.decode_charger(payload)])
    _rejects(lambda: status_v1.decode_gateway(payload).connected_at.timestamp())


def _rejects(decode: object) -> None:
    assert callable(decode)
    reason = None
    try:
        decode()
    except Rejection as rejection:
        reason = rejection.reason
    assert reason not in OURS


def _state(state: status_v1.ConnectorState) -> None:
    assert _storable(state.code)
    assert state.at.utcoffset() is not None
