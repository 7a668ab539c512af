"""The usual message -> its rows, in one pass over the parsed payload; of any other the careful way decides. Pure.

Nearly every message is without fault, and of such a one nothing has to be explained. So there is no model here, no list between
the steps and no word about what is wrong: at the first doubt the answer is None, and `intake` decides by the contract's models. The
contract's rules stand here a second time, most of them as look-ups: a registered code is a proper code, a register is one of its
medium's, a text seen before is a proper instant. See docs/adr/0009-usual-messages.md.
"""

from typing import Any, Final, NamedTuple

from ingest.formats import native_v1
from ingest.messages import Row, new_row
from ingest.metering.calendar import Instant
from ingest.metering.registers import EXACT_LIMIT
from ingest.registry import ABSENT, Registry
from ingest.topics import TopicName

SEQ_LIMIT: Final = 2**63


class _DoubtError(ValueError):
    """Something is not as usual."""


_DOUBTS: Final = (ValueError, TypeError, KeyError, AttributeError, OverflowError)
"""What a payload raises where it is taken to be as usual: no JSON, a field of another type or missing, a number without end."""


class Arrival(NamedTuple):
    """When a message came, and between which instants its readings may lie."""

    received_at: Instant
    earliest: Instant
    latest: Instant


def usual_rows(topic: TopicName, payload: bytes, arrival: Arrival, registry: Registry) -> list[Row] | None:
    """The rows of a message whose readings are all without fault. None: that is not known here."""
    try:
        return _rows(native_v1.items(topic.medium, payload), topic, arrival, registry)
    except _DOUBTS:
        return None


def _rows(items: list[Any], topic: TopicName, arrival: Arrival, registry: Registry) -> list[Row]:
    """One loop, for a call a reading costs a twentieth of all that is done here. Raises one of `_DOUBTS`."""
    institution, topic_medium, topic_meter, own, gateway = _named_by(topic, registry)
    received_at = arrival.received_at
    find, is_under, register, media = registry.row, registry.is_under, registry.register, native_v1.MEDIA
    rows: list[Row] = []
    last = items[0]["read_at"]
    read_at = _read_at(last, arrival)
    for item in items:
        take = item.pop
        text = take("read_at")
        if text != last:  # the readings of a batch mostly speak of one instant
            read_at, last = _read_at(text, arrival), text
        medium = take("medium", topic_medium)
        main, lowest = media[medium]
        path = "/".join((institution, medium, take("meter", topic_meter)))
        row = find(path, read_at)
        if row is None or row == ABSENT or not (path == own or is_under(row, gateway)) or main not in item:
            raise _DoubtError
        for name, value in item.items():
            if name not in lowest or value is None:
                _check_beside(name, value, institution, main, lowest)
                continue
            channel, (decimals, limit) = register(row, name)
            integer = round(value * 10**decimals)
            if channel == ABSENT or type(value) is bool or value < lowest[name]:
                raise _DoubtError
            if not -EXACT_LIMIT < integer < EXACT_LIMIT or integer >= limit:
                raise _DoubtError
            rows.append(new_row((channel, read_at, integer, received_at)))
    return rows


def _named_by(topic: TopicName, registry: Registry) -> tuple[str, str | None, str | None, str | None, int]:
    """Institution; medium, meter and path of the readings where the topic says them; the gateway that may speak for others."""
    if topic.kind == "readings":
        return topic.institution, None, None, None, registry.gateway(topic.institution, topic.device)
    return topic.institution, topic.medium, topic.device, topic.path, ABSENT


def _read_at(text: str, arrival: Arrival) -> Instant:
    read_at = native_v1.instant_of(text)
    if not arrival.earliest <= read_at <= arrival.latest:
        raise _DoubtError
    return read_at


def _check_beside(name: str, value: Any, institution: str, main: str, lowest: dict[str, float]) -> None:
    """What else a reading may hold: null for what it does not tell, its running number, the institution of its topic."""
    if name == "seq":
        usual = value is None or (type(value) is int and 0 <= value < SEQ_LIMIT)
    elif name == "institution":
        usual = value is None or value == institution
    else:
        usual = value is None and name in lowest and name != main
    if not usual:
        raise _DoubtError
