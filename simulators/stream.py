"""Fleet -> messages, in the order of simulated time: every hour, every gateway, every meter that publishes by itself.

The hot path: readings come written a day at a time (`written.py`), and are only joined here. Memory holds a day of readings an
institution.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Final

from schemas import topics
from simulators.gateway import DAY_HOURS, Gateway
from simulators.messages import Message
from simulators.month import HOUR_SECONDS
from simulators.run import Run, Site
from simulators.written import Row, Written

_sent_at: Final = attrgetter("send_at_s")


def messages(run: Run) -> Iterator[Message]:
    """Every message of the run without faults of the stream, in order of `send_at_s`."""
    senders = [_sender(site, run) for site in run.sites]
    waiting: list[Message] = []
    for hour in range(run.hours + 1):
        for sender in senders:
            waiting += next(sender)
        waiting.sort(key=_sent_at)
        # the next hour's readings are all later than this instant
        due = bisect_right(waiting, run.start_s + hour * HOUR_SECONDS, key=_sent_at)
        yield from waiting[:due]
        del waiting[:due]
    yield from waiting


def count(run: Run) -> int:
    """How many messages with readings `messages` yields, but for readings stamped before the month."""
    return sum(_count(site, run.hours) for site in run.sites)


def _count(site: Site, hours: int) -> int:
    if site.identity.gateway is None:
        return len({device.meter.code for device in site.devices}) * (hours * HOUR_SECONDS // site.interval_s + 1)
    return -(-(hours + 1) // site.identity.hours_per_message)


def _sender(site: Site, run: Run) -> Iterator[list[Message]]:
    """One list of messages an hour."""
    code, gateway = site.identity.code, site.identity.gateway
    hours = _hours(site, run)
    if gateway is None:
        return ([message for row in rows for message in _alone(row, site.delay_s)] for rows in hours)
    collected = _batches(site, hours, run, topics.gateway_readings(code, gateway))
    return Gateway(code, gateway, run.start_s, site.delay_s, site.offline).sent(collected)


def _batches(site: Site, hours: Iterable[Sequence[Row]], run: Run, topic: str) -> Iterator[list[Message]]:
    """The batch of every hour, or of several: an empty list where the gateway still collects."""
    collected: list[Row] = []
    for number, rows in enumerate(hours, start=1):
        collected += rows
        if number % site.identity.hours_per_message and number <= run.hours:
            yield []
            continue
        send_at_s = run.start_s + (number - 1) * HOUR_SECONDS + site.delay_s
        yield list(_batch(topic, site.identity.code, collected, send_at_s))
        collected = []


def _batch(topic: str, code: str, rows: Iterable[Row], send_at_s: int) -> Iterator[Message]:
    """One message, or none where every clock is behind at the month's first instant."""
    if entries := [entry for row in rows for entry in row if entry]:
        jsons, readings = zip(*entries, strict=True)
        yield Message(topic, b'{"readings":[' + b",".join(filter(None, jsons)) + b"]}", code, send_at_s, readings)


def _alone(row: Row, delay_s: int) -> Iterator[Message]:
    """A message a meter; an entry without text belongs to the message before it."""
    entries = [entry for entry in row if entry]
    firsts = [at for at, (json, _) in enumerate(entries) if json]
    for at, until in zip(firsts, [*firsts[1:], len(entries)], strict=True):
        json, reading = entries[at]
        meter = reading[0].meter
        topic = topics.meter_reading(meter.institution, meter.medium, meter.code)
        yield Message(topic, json, meter.institution, reading[1] + delay_s, tuple(reading for _, reading in entries[at:until]))


def _hours(site: Site, run: Run) -> Iterator[Sequence[Row]]:
    """The rows of every hour: those within it and at its end. The hour before the first has only its end."""
    of = Written(site, run.start_s)
    per_hour = HOUR_SECONDS // site.interval_s
    for first in range(-1, run.hours, DAY_HOURS):
        rows = of.rows(range(first, min(first + DAY_HOURS, run.hours)))
        yield from (rows[at : at + per_hour] for at in range(0, len(rows), per_hour))
