"""Which meters an institution has, and what each of them counts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from schemas.registers import Medium
from simulators.city.behaviour import EndUse
from simulators.city.plan import Plan

MAIN: Final = "EM-01"
CHECK: Final = "EM-09"
FEED: Final = (MAIN, CHECK)
"""What stands where the grid comes in; the second repeats the first."""
SPECIAL: Final = "EM-05"
ROOM: Final = "EM-06"
MAIN_WATER: Final = "WM-01"
CHECKED_OF: Final = 20
"""One institution of so many has a check meter beside its main one."""

IN_THE_ROOM: Final = (EndUse.IT, EndUse.ROOM_COOLING)
IN_SPECIAL: Final = (*IN_THE_ROOM, EndUse.KITCHEN, EndUse.SPECIAL)


@dataclass(frozen=True, slots=True)
class Point:
    """A meter's place: its code, its parent's, and the end uses behind it."""

    medium: Medium
    code: str
    uses: tuple[EndUse, ...] = ()
    sub_item: str = ""
    parent: str = ""

    @property
    def role(self) -> str:
        """What it counts as in the registry."""
        return "check" if self.code == CHECK else "sub" if self.sub_item else "main"


def points(plan: Plan) -> Iterator[Point]:
    """The institution's meters: the main ones first, chargers last.

    A charger hangs behind the main meter, which its energy comes through.
    """
    yield Point(Medium.ELECTRICITY, MAIN, tuple(plan.building.uses))
    if plan.traits.sub_metered:
        yield from _sub_meters(plan)
    if plan.identity.number % CHECKED_OF == 4:
        yield Point(Medium.ELECTRICITY, CHECK, tuple(plan.building.uses), parent=MAIN)
    yield Point(Medium.WATER, MAIN_WATER)
    for charger in plan.chargers:
        yield Point(Medium.CHARGER, charger.code, sub_item="D6", parent=MAIN)


def _sub_meters(plan: Plan) -> Iterator[Point]:
    """Lighting and sockets, air conditioning, power, special; of special the data room with its IT, and the kitchen."""
    present = plan.building.uses
    yield Point(Medium.ELECTRICITY, "EM-02", (EndUse.LIGHTING,), "A", MAIN)
    yield Point(Medium.ELECTRICITY, "EM-03", (EndUse.HVAC,), "B", MAIN)
    yield Point(Medium.ELECTRICITY, "EM-04", (EndUse.POWER,), "C", MAIN)
    yield Point(Medium.ELECTRICITY, SPECIAL, tuple(use for use in IN_SPECIAL if use in present), "D", MAIN)
    if plan.traits.room:
        yield Point(Medium.ELECTRICITY, ROOM, IN_THE_ROOM, "D1", SPECIAL)
        yield Point(Medium.ELECTRICITY, "EM-07", (EndUse.IT,), "D1", ROOM)
    if plan.traits.kitchen:
        yield Point(Medium.ELECTRICITY, "EM-08", (EndUse.KITCHEN,), "D2", SPECIAL)
