"""The usual message -> its rows, in one pass over the parsed payload; of any other the careful way decides. Pure.

Nearly every message is without fault, and of such a one nothing has to be explained. So there is no model here, no list between
the steps and no word about what is wrong: at the first doubt the answer is None, and `intake` decides by the contract's models. The
contract's rules stand here a second time, most of them as look-ups: a registered code is a proper code, a register is one of its
medium's, a text seen before is a proper instant. See docs/adr/0008-usual-messages.md.
"""

from typing import Any, Final, NamedTuple

from ingest.formats import native_v1
from ingest.messages import Message, Row, new_row
from ingest.metering.calendar import Instant
from ingest.metering.registers import EXACT_LIMIT
from ingest.registry import ABSENT, Registry
from ingest.topics import TopicName

SEQ_LIMIT: Final = 2**63
_NO_TEXT: Final[Any] = object()
_SCALE: Final = tuple(10**decimals for decimals in range(10))
"""Units a whole, by decimals: half the time of a power."""


class _DoubtError(ValueError):
    """Something is not as usual."""


_DOUBTS: Final = (ValueError, TypeError, LookupError, AttributeError, OverflowError)
"""What a payload raises where it is taken to be as usual: no JSON, a field of another type or missing, a number without end."""


class AcceptWindow(NamedTuple):
    """How far a reading's time may lie behind or ahead of its arrival."""

    back_us: int
    ahead_us: int


def usual_rows(topic: TopicName, message: Message, registry: Registry, window: AcceptWindow) -> list[Row] | None:
    """The rows of a message on a topic of readings, if all are without fault. None: that is not known here."""
    try:
        return _rows(topic, native_v1.items(topic.medium, message.payload), message.received_at, registry, window)
    except _DOUBTS:
        return None


def _rows(topic: TopicName, items: list[Any], received_at: Instant, registry: Registry, window: AcceptWindow) -> list[Row]:
    """One loop, for a call a reading costs a twentieth of all that is done here. Raises one of `_DOUBTS`."""
    prefix, topic_medium, topic_meter, gateway = _named_by(topic, registry)
    find, find_own, is_under, register = registry.row, registry.row_of, registry.is_under, registry.register
    media, instant_of = native_v1.MEDIA, native_v1.instant_of
    earliest, latest = received_at - window.back_us, received_at + window.ahead_us
    rows: list[Row] = []
    last, read_at = _NO_TEXT, 0
    for item in items:
        take = item.pop
        text = take("read_at")
        if text != last:  # the readings of a batch mostly speak of one instant
            read_at, last = instant_of(text), text
            if not earliest <= read_at <= latest:
                raise _DoubtError
        medium, meter = take("medium", topic_medium), take("meter", topic_meter)
        main, lowest = media[medium]
        is_own = meter == topic_meter and medium == topic_medium
        row = find_own(topic, read_at) if is_own else find(prefix + medium + "/" + meter, read_at)
        if row is None or row == ABSENT or not (is_own or is_under(row, gateway)) or main not in item:
            raise _DoubtError
        for name, value in item.items():
            if name not in lowest or value is None:
                _check_beside(name, value, topic, main, lowest)
                continue
            kind = type(value)
            if kind is not float and kind is not int:  # first of all: a text times a thousand is a text a thousand times as long
                raise _DoubtError
            channel, (decimals, limit) = register(row, name)
            integer = round(value * _SCALE[decimals])
            if channel == ABSENT or value < lowest[name]:
                raise _DoubtError
            if not -EXACT_LIMIT < integer < EXACT_LIMIT or integer >= limit:
                raise _DoubtError
            rows.append(new_row((channel, read_at, integer, received_at)))
    return rows


def _named_by(topic: TopicName, registry: Registry) -> tuple[str, str | None, str | None, int]:
    """How paths begin; medium and meter of the readings where the topic says them; the gateway that may speak for others."""
    prefix = topic.institution + "/"
    if topic.kind == "readings":
        return prefix, None, None, registry.gateway(topic.institution, topic.device)
    return prefix, topic.medium, topic.device, ABSENT


def _check_beside(name: str, value: Any, topic: TopicName, main: str, lowest: dict[str, float]) -> None:
    """What else a reading may hold: its running number, the institution of its topic, null for what it does not tell."""
    if name == "seq":
        usual = value is None or (type(value) is int and 0 <= value < SEQ_LIMIT)
    elif name == "institution":
        usual = value is None or value == topic.institution
    else:
        usual = value is None and name in lowest and name != main
    if not usual:
        raise _DoubtError
