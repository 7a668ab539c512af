"""Real series -> messages: amounts of intervals accumulated into a register, or a register's own values, as a meter shows them."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from schemas import topics
from schemas.registers import MAIN_REGISTER, Medium
from simulators.messages import Message
from simulators.samples import Sample

HOUR: Final = timedelta(hours=1)


class Values(StrEnum):
    """What the numbers are: amounts of the interval that starts or ends at their time, or the register itself."""

    STARTING = "starting"
    ENDING = "ending"
    REGISTER = "register"


@dataclass(frozen=True, slots=True)
class Replay:
    """What to make of samples. `factor` turns the file's unit into the register's; `gateway` None: meters publish themselves."""

    institution: str
    medium: Medium
    gateway: str | None
    values: Values
    factor: Decimal = Decimal(1)
    start_register: Decimal = Decimal(0)
    decimals: int = 3
    readings_each: int = 500
    shift: timedelta = timedelta(0)
    one_instant: bool = False
    """Whether a gateway's message never spans two instants."""


@dataclass(slots=True)
class Span:
    """A meter's samples in time: the first and the last, and how far each lies from its neighbour."""

    first: datetime
    last: datetime
    first_step: timedelta = timedelta(0)
    last_step: timedelta = timedelta(0)

    def extend(self, at: datetime) -> None:
        """One more sample."""
        self.last_step, self.last = at - self.last, at
        self.first_step = self.first_step or self.last_step


@dataclass(slots=True)
class Survey:
    """What a file holds, found by reading all of it before anything is published."""

    spans: dict[str, Span] = field(default_factory=dict)
    samples: int = 0
    missing: int = 0

    def first(self, values: Values) -> datetime:
        """The instant of the first reading."""
        ending = values is Values.ENDING
        return min(span.first - span.first_step if ending else span.first for span in self.spans.values())

    def last(self, values: Values) -> datetime:
        """The instant of the last reading."""
        starting = values is Values.STARTING
        return max(span.last + span.last_step if starting else span.last for span in self.spans.values())

    @property
    def interval(self) -> timedelta:
        """The commonest distance at the end of a meter's series; an hour where there is none."""
        steps = Counter(span.last_step for span in self.spans.values() if span.last_step)
        return max(steps, key=lambda step: steps[step], default=HOUR)


class Reading(NamedTuple):
    """What a meter's register shows at an instant, in the register's unit."""

    meter: str
    at: datetime
    register: Decimal


def survey(samples: Iterable[Sample]) -> Survey:
    """Read all samples; memory holds a few figures a meter."""
    found = Survey()
    for sample in samples:
        found.samples += 1
        found.missing += sample.amount is None
        if span := found.spans.get(sample.meter):
            span.extend(sample.at)
        else:
            found.spans[sample.meter] = Span(sample.at, sample.at)
    return found


def readings(samples: Iterable[Sample], of: Replay, surveyed: Survey) -> Iterator[Reading]:
    """What the registers show, in the order of the samples."""
    match of.values:
        case Values.REGISTER:
            return (Reading(meter, at, amount * of.factor) for meter, at, amount in samples if amount is not None)
        case Values.ENDING:
            return _ending(samples, of, surveyed)
        case Values.STARTING:
            return _starting(samples, of, surveyed)


def _ending(samples: Iterable[Sample], of: Replay, surveyed: Survey) -> Iterator[Reading]:
    """A reading where an interval ends, and one where the first began. After a missing amount the register has stood still."""
    totals: dict[str, Decimal] = {}
    for meter, at, amount in samples:
        if amount is None:
            continue
        if meter not in totals:
            totals[meter] = of.start_register
            if step := surveyed.spans[meter].first_step:
                yield Reading(meter, at - step, of.start_register)
        totals[meter] += amount * of.factor
        yield Reading(meter, at, totals[meter])


def _starting(samples: Iterable[Sample], of: Replay, surveyed: Survey) -> Iterator[Reading]:
    """A reading where an interval begins: what passed before it; and one where the last ended.

    None where a missing amount ended: nobody knows what the register would have shown.
    """
    totals: dict[str, Decimal] = {}
    unknown: set[str] = set()
    for meter, at, amount in samples:
        if meter in totals and meter not in unknown:
            yield Reading(meter, at, totals[meter])
        elif meter not in totals and amount is not None:
            totals[meter] = of.start_register
            yield Reading(meter, at, of.start_register)
        if amount is None:
            unknown.add(meter)
        else:
            unknown.discard(meter)
            totals[meter] += amount * of.factor
    for meter, span in surveyed.spans.items():
        if meter in totals and meter not in unknown and span.last_step:
            yield Reading(meter, span.last + span.last_step, totals[meter])


def messages(shown: Iterable[Reading], of: Replay) -> Iterator[Message]:
    """A gateway's messages of several readings, or a message a reading from every meter."""
    if of.gateway is None:
        return (_alone(reading, of) for reading in shown)
    return (_batch(some, of) for some in _batches(shown, of))


def _batches(shown: Iterable[Reading], of: Replay) -> Iterator[list[Reading]]:
    some: list[Reading] = []
    for reading in shown:
        if len(some) == of.readings_each or (of.one_instant and some and some[-1].at != reading.at):
            yield some
            some = []
        some.append(reading)
    if some:
        yield some


def _batch(some: list[Reading], of: Replay) -> Message:
    assert of.gateway is not None
    who = f'"medium":"{of.medium}","meter":'
    payload = ",".join([f'{{{who}"{reading.meter}",{_face(reading, of)}}}' for reading in some])
    topic = topics.gateway_readings(of.institution, of.gateway)
    return Message(topic, f'{{"readings":[{payload}]}}'.encode(), of.gateway, _second(some[-1], of), ())


def _alone(reading: Reading, of: Replay) -> Message:
    topic = topics.meter_reading(of.institution, of.medium, reading.meter)
    return Message(topic, f"{{{_face(reading, of)}}}".encode(), reading.meter, _second(reading, of), ())


def _face(reading: Reading, of: Replay) -> str:
    """Time and register, as many decimals of it as the display has."""
    shown = reading.register.quantize(Decimal(1).scaleb(-of.decimals), ROUND_DOWN)
    at = (reading.at + of.shift).isoformat().replace("+00:00", "Z")
    return f'"read_at":"{at}","{MAIN_REGISTER[of.medium]}":{shown:f}'


def _second(reading: Reading, of: Replay) -> int:
    return int((reading.at + of.shift).timestamp())
