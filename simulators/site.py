"""One institution: who it is, and its meters and chargers with their true amounts of a month."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from schemas.registers import Medium
from simulators import quotas
from simulators.charger import Charger, Session
from simulators.city import registers, truth
from simulators.city.charging import Sessions
from simulators.city.hours import months, of_month
from simulators.city.identity import Identity
from simulators.city.metering import ROOM, SPECIAL
from simulators.city.plan import Plan
from simulators.city.truth import EXPORT_REGISTER, Channel
from simulators.meter import Export, Meter
from simulators.month import HOUR_SECONDS, Month

__all__ = ["VIRTUAL", "Identity", "Institution", "build"]


VIRTUAL: Final = "EM-90"
"""The code of a virtual meter."""


@dataclass(frozen=True, slots=True)
class Institution:
    """An institution with its meters and chargers."""

    identity: Identity
    meters: tuple[Meter, ...]
    chargers: tuple[Charger, ...]

    @property
    def is_net(self) -> bool:
        """Whether what its panels feed back is taken off its total; of the owners of roofs every other one."""
        return self.identity.number % 2 == 0 and any(meter.export for meter in self.meters)

    @property
    def virtual(self) -> dict[str, tuple[str, str]]:
        """Virtual meters: code -> the meter, and the one taken off it."""
        codes = {meter.code for meter in self.meters}
        return {VIRTUAL: (SPECIAL, ROOM)} if {SPECIAL, ROOM} <= codes else {}

    def sign(self, of: Meter, *, export: bool = False) -> int:
        """How a register counts in what a quota is held against: 1, 0, or -1 where it is taken off."""
        if of.role == "main":
            return -1 if export and self.is_net else 0 if export else 1
        excluded = quotas.ELECTRICITY.excluded(self.identity.institution_class)
        parents = {meter.code: meter.sub_item for meter in self.meters}
        return -1 if excluded and of.sub_item == excluded != parents.get(of.parent) else 0

    def main_micro(self, medium: Medium) -> int:
        """The month's true total of its main meters."""
        return sum(meter.month_micro for meter in self.meters if meter.medium is medium and meter.role == "main")


def build(plan: Plan, month: Month) -> Institution:
    """The institution in a month of its plan's year; its registers stand where the months before have brought them."""
    channels = list(truth.channels(plan, month))
    passed = _passed(plan, month)
    exports = {channel.point.code: channel for channel in channels if channel.register == EXPORT_REGISTER}
    meters = [_meter(plan, each, passed, exports.get(each.point.code)) for each in channels if each.register != EXPORT_REGISTER]
    return Institution(plan.identity, tuple(meters), tuple(_chargers(plan, meters, month)))


def _passed(plan: Plan, month: Month) -> dict[tuple[str, str], int]:
    """What has passed every register since the year began."""
    passed: dict[tuple[str, str], int] = {}
    for before in months(plan.year)[: month.number - 1]:
        for channel in truth.channels(plan, before):
            key = channel.point.code, channel.register
            passed[key] = passed.get(key, 0) + int(channel.hours_micro.sum())
    return passed


def _meter(plan: Plan, channel: Channel, passed: dict[tuple[str, str], int], export: Channel | None) -> Meter:
    point, identity, face = channel.point, plan.identity, registers.face(plan, channel.point)
    return Meter(
        institution=identity.code,
        medium=point.medium,
        code=point.code,
        gateway=identity.gateway,
        role=point.role,
        parent=point.parent,
        sub_item=point.sub_item,
        display=face.display,
        start_micro=face.start_micro + passed.get((point.code, channel.register), 0),
        amounts_micro=array("q", channel.hours_micro.tobytes()),
        rated_tenths=face.rated_tenths,
        export=None if export is None else _export(export, passed),
    )


def _export(channel: Channel, passed: dict[tuple[str, str], int]) -> Export:
    """Export registers begin at zero: the panels are new every year."""
    return Export(passed.get((channel.point.code, channel.register), 0), array("q", channel.hours_micro.tobytes()))


def _chargers(plan: Plan, meters: Sequence[Meter], month: Month) -> list[Charger]:
    starts = {meter.code: meter.start_micro for meter in meters if meter.medium is Medium.CHARGER}
    return [
        replace(charger, sessions=_sessions(charger, of, starts[charger.code], month))
        for charger, of in zip(plan.chargers, plan.sessions, strict=True)
    ]


def _sessions(charger: Charger, of: Sessions, start_micro: int, month: Month) -> tuple[Session, ...]:
    """The sessions that touch the month; one connector, so each begins where the one before ended."""
    at, zero_s = of_month(month), Month(month.year, 1).start_s
    register = start_micro - int(of.hours_micro[: at.start].sum())
    columns = zip(of.start_s.tolist(), of.stop_s.tolist(), of.energy_micro.tolist(), strict=True)
    found = []
    for number, (start, stop, energy) in enumerate(columns, start=1):
        if stop > at.start * HOUR_SECONDS and start < at.stop * HOUR_SECONDS:
            name = f"{charger.code}-{month.year}-{number:05d}"
            found.append(Session(name, 1, zero_s + start, zero_s + stop, register, energy))
        register += energy
    return tuple(found)
