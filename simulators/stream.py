"""Fleet -> messages, in the order of simulated time: every hour, every gateway, every meter that publishes by itself."""

from collections.abc import Iterable, Iterator

from schemas import topics
from simulators.fleet import Fleet
from simulators.messages import Message, Reading
from simulators.meter import Meter
from simulators.month import HOUR_SECONDS, local
from simulators.site import Institution

Entry = tuple[bytes, Reading]
"""A reading as JSON in a gateway batch or alone, and as a row of the ledger."""


def messages(fleet: Fleet) -> Iterator[Message]:
    """Every good message of the month; memory holds one hour."""
    senders = [_sender(each, len(fleet.institutions), fleet) for each in fleet.institutions]
    for _ in fleet.month.instants_s():
        for sender in senders:
            yield from next(sender)


def count(fleet: Fleet) -> int:
    """How many messages `messages` will yield."""
    instants = len(fleet.month.instants_s())
    return sum(_count(each, instants) for each in fleet.institutions)


def _count(institution: Institution, instants: int) -> int:
    if institution.identity.gateway is None:
        return instants * len(institution.meters)
    return -(-instants // institution.identity.hours_per_message)


def _sender(institution: Institution, of: int, fleet: Fleet) -> Iterator[list[Message]]:
    """One list of messages an instant, empty where a gateway is still collecting."""
    instants = fleet.month.instants_s()
    delay_s = (institution.identity.number - 1) * (HOUR_SECONDS - 60) // of
    rows = zip(*(_entries(meter, instants) for meter in institution.meters), strict=True)
    if institution.identity.gateway is None:
        return ([_alone(entry, at + delay_s) for entry in row] for at, row in zip(instants, rows, strict=True))
    return _batches(institution, zip(instants, rows, strict=True), delay_s, len(instants))


def _batches(
    institution: Institution, hours: Iterable[tuple[int, tuple[Entry, ...]]], delay_s: int, instants: int
) -> Iterator[list[Message]]:
    collected: list[Entry] = []
    for number, (at, row) in enumerate(hours, start=1):
        collected += row
        if number % institution.identity.hours_per_message and number < instants:
            yield []
            continue
        yield [_batch(institution, collected, at + delay_s)]
        collected = []


def _batch(institution: Institution, entries: list[Entry], send_at_s: int) -> Message:
    code, gateway = institution.identity.code, institution.identity.gateway or ""
    payload = b'{"readings":[' + b",".join([json for json, _ in entries]) + b"]}"
    return Message(topics.gateway_readings(code, gateway), payload, code, send_at_s, tuple([reading for _, reading in entries]))


def _alone(entry: Entry, send_at_s: int) -> Message:
    json, reading = entry
    topic = topics.meter_reading(reading.institution, reading.medium, reading.meter)
    return Message(topic, json, reading.institution, send_at_s, (reading,))


def _entries(meter: Meter, instants: Iterable[int]) -> Iterator[Entry]:
    """The meter's reading of every instant; the face of a meter that publishes by itself leaves out who it is."""
    named = f'"medium":"{meter.medium}","meter":"{meter.code}",' if meter.gateway else ""
    display, (institution, medium, code, register) = meter.display, _key(meter)
    for at, steps in zip(instants, meter.shown_steps(), strict=True):
        json = f'{{{named}"read_at":"{local(at).isoformat()}","{register}":{display.text(steps)}}}'
        yield json.encode(), Reading(institution, medium, code, register, at * 1_000_000, display.milli(steps))


def _key(meter: Meter) -> tuple[str, str, str, str]:
    return meter.institution, str(meter.medium), meter.code, meter.register
