"""All institutions of a simulated month, in the mix of a real city: a pure function of size, seed and month."""

from dataclasses import dataclass
from typing import Final

from simulators import site
from simulators.city.census import XIANNING, Census
from simulators.city.identity import REGIONS
from simulators.city.plan import Plan, plans
from simulators.month import Month
from simulators.site import Institution

__all__ = ["CLIMATE_ZONE", "MOST_INSTITUTIONS", "REGIONS", "Fleet", "build", "planned"]

CLIMATE_ZONE: Final = "hot_summer_cold_winter"
MOST_INSTITUTIONS: Final = 9_999


@dataclass(frozen=True, slots=True)
class Fleet:
    """The institutions of one simulated month."""

    seed: int
    month: Month
    institutions: tuple[Institution, ...]

    @property
    def codes(self) -> tuple[str, ...]:
        """The institutions' codes."""
        return tuple(each.identity.code for each in self.institutions)


def build(count: int, seed: int, month: Month, *, city: Census = XIANNING, leaks: float = 0.0) -> Fleet:
    """The fleet; the same arguments always give the same one. `leaks` is the share of institutions whose water leaks."""
    institutions = (site.build(plan, month) for plan in planned(count, seed, month.year, city=city, leaks=leaks))
    return Fleet(seed, month, tuple(institutions))


def planned(count: int, seed: int, year: int, *, city: Census = XIANNING, leaks: float = 0.0) -> list[Plan]:
    """The institutions of a year before any hour is computed."""
    if not 1 <= count <= MOST_INSTITUTIONS:
        raise ValueError(f"{count} institutions cannot be simulated: give a number from 1 to {MOST_INSTITUTIONS}")
    return plans(city, count, seed, year, leaks)
