"""One batch of messages -> what becomes of each: decode, identify, validate. Pure.

Usual messages become rows in one pass (ingest/usual.py); all others are decided here, reading by reading. The accept window is
judged against the message's own `received_at`, so that a replay is judged as on arrival.
"""

import hashlib
import traceback
from collections.abc import Sequence

from ingest import topics
from ingest.errors import Reason, Rejection, Stage
from ingest.formats import native_v1
from ingest.formats.faults import DETAIL_LIMIT
from ingest.formats.native_v1 import Stated
from ingest.identity import Identify, identify_by, known
from ingest.messages import Assessed, Message, Rejected, Row, SessionRow, new_row
from ingest.metering.calendar import Instant, instant, moment
from ingest.metering.registers import INTEGER_LIMIT, to_integer
from ingest.registry import ABSENT, Registry
from ingest.usual import AcceptWindow, usual_rows
from schemas.charger import ChargerSession
from schemas.reading import utc


def assess(batch: Sequence[Message], registry: Registry, window: AcceptWindow, max_payload_bytes: int) -> list[Assessed]:
    """Decode, identify and validate each message of a batch. No message can make this raise."""
    return [assess_one(message, registry, window, max_payload_bytes) for message in batch]


def assess_one(message: Message, registry: Registry, window: AcceptWindow, max_payload_bytes: int) -> Assessed:
    """What one message comes to; whatever its code raises is that message's rejection."""
    try:
        return _assess(message, registry, window, max_payload_bytes)
    except Rejection as rejection:
        return Assessed(message, rejected=_rejected({}, rejection))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # no message can stop the line, a panic of native code included; the digest finds the fault
        digest = hashlib.sha256("".join(traceback.format_exception(error)).encode(errors="replace")).hexdigest()[:16]
        detail = f"{type(error).__name__}, traceback digest {digest}"
        return Assessed(message, rejected=Rejected(Stage.DECODE, Reason.DECODER_ERROR, detail))


def _assess(message: Message, registry: Registry, window: AcceptWindow, max_payload_bytes: int) -> Assessed:
    if len(message.payload) > max_payload_bytes:
        raise Rejection(Reason.TOO_LARGE, f"{len(message.payload)} bytes, allowed are {max_payload_bytes}")
    topic = topics.parse(message.topic)
    if topic.kind == "session":
        session = native_v1.decode_session(message.payload)
        return Assessed(message, sessions=[_session(session, topic, message, registry, window)])
    rows = usual_rows(topic, message, registry, window)
    return by_contract(message, topic, registry, window) if rows is None else Assessed(message, rows)


def by_contract(message: Message, topic: topics.TopicName, registry: Registry, window: AcceptWindow) -> Assessed:
    """What a message of readings comes to, said by the contract's models, reading by reading. Raises Rejection."""
    readings, failing = native_v1.decode(topic.medium, message.payload)
    rows = _rows(readings, failing, identify_by(topic, registry), message.received_at, registry, window)
    return Assessed(message, rows, rejected=_rejected(failing, failing[min(failing)]) if failing else None)


def _rows(
    readings: list[Stated],
    failing: dict[int, Rejection],
    identify: Identify,
    received_at: Instant,
    registry: Registry,
    window: AcceptWindow,
) -> list[Row]:
    """The rows of the readings without fault; the rejections of the others are added to `failing`."""
    rows: list[Row] = []
    last, read_at = "", 0  # the readings of a batch mostly speak of one instant
    for position, institution, medium, meter, text, registers in readings:
        whole = len(rows)
        try:
            if text != last:
                read_at, last = _read_at(text, received_at, window), text
            path, row = identify.row(institution, medium, meter, read_at)
            for register, value in registers:
                channel, face = registry.register(row, register)
                if channel == ABSENT:
                    wanted = f"{path}/{register}"
                    raise Rejection(Reason.UNKNOWN_REGISTER, f"no register {register} is registered for {path}", wanted)
                integer = to_integer(value, face.decimals)
                if not -INTEGER_LIMIT < integer < face.limit:
                    raise Rejection(Reason.OUT_OF_RANGE, f"{register} = {value!r} is more than the register can show")
                rows.append(new_row((channel, read_at, integer, received_at)))
        except Rejection as rejection:
            del rows[whole:]  # no register of a reading is stored while another one is in doubt
            failing[position] = rejection.with_traceback(None)  # which holds this frame, and with it the message, in a circle
    return rows


def _read_at(text: str, received_at: Instant, window: AcceptWindow) -> Instant:
    try:
        read_at = instant(utc(text))
    except (ValueError, OverflowError) as error:
        raise Rejection(Reason.INVALID_TIME, f"no such time: {text!r}") from error
    if read_at > received_at + window.ahead_us:
        raise Rejection(Reason.TIME_IN_FUTURE, f"read at {text}, received at {moment(received_at).isoformat()}")
    if read_at < received_at - window.back_us:
        raise Rejection(Reason.TOO_OLD, f"read at {text}, received at {moment(received_at).isoformat()}")
    return read_at


def _session(
    session: ChargerSession, topic: topics.TopicName, message: Message, registry: Registry, window: AcceptWindow
) -> SessionRow:
    started_at = _read_at(session.started_at, message.received_at, window)
    stopped_at = session.stopped_at and _read_at(session.stopped_at, message.received_at, window)
    if stopped_at and stopped_at < started_at:
        raise Rejection(Reason.INVALID_TIME, f"stopped at {session.stopped_at}, before it started at {session.started_at}")
    row = known(registry, topic.path, started_at)
    return SessionRow(
        registry.meter[row],
        session.session,
        session.connector,
        started_at,
        _energy(session.start_register_kwh),
        stopped_at or None,
        None if session.stop_register_kwh is None else _energy(session.stop_register_kwh),
        None if session.session_energy_kwh is None else _energy(session.session_energy_kwh),
        message.received_at,
    )


def _energy(energy_kwh: float) -> int:
    integer = to_integer(energy_kwh, 3)
    if integer >= INTEGER_LIMIT:
        raise Rejection(Reason.OUT_OF_RANGE, f"{energy_kwh!r} kWh is more than a register can show")
    return integer


def _rejected(failing: dict[int, Rejection], first: Rejection) -> Rejected:
    wanted = [_storable(rejection.wanted) for rejection in (failing.values() or [first]) if rejection.wanted]
    return Rejected(first.stage, first.reason, _storable(first.detail), sorted(failing), list(dict.fromkeys(wanted)))


def _storable(text: str) -> str:
    """Foreign text as the database can always take it: PostgreSQL's text holds no NUL and no lone surrogate."""
    return text.replace("\0", "\\0").encode(errors="backslashreplace").decode()[:DETAIL_LIMIT]
