"""Institutions with all their traits, before any hour is computed: who, how much, which chargers."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

import numpy as np

from simulators import quotas
from simulators.charger import Charger
from simulators.city import budget, charging, sites
from simulators.city import identity as identities
from simulators.city.budget import Building
from simulators.city.census import Census
from simulators.city.chance import generator
from simulators.city.charging import Sessions
from simulators.city.hours import hours
from simulators.city.identity import Identity
from simulators.city.spread import Amounts
from simulators.city.traits import Traits, traits
from simulators.quotas import Use

MOST_TAKEN_OFF_PER_MILLE: Final = 900
"""A roof's owner, and who leaves out a data room, stays under the constraint: what is taken off would else decide the verdict."""


@dataclass(frozen=True)
class Plan:
    """One institution in one year."""

    seed: int
    year: int
    identity: Identity
    use: Use
    traits: Traits
    speeds: tuple[bool, ...] = field(default=())

    @cached_property
    def electricity(self) -> Amounts:
        """The electricity of every month."""
        return budget.electricity(self.identity, self.use, self.traits, self.seed, self.year)

    @cached_property
    def water(self) -> Amounts:
        """The water of every month, a leak apart."""
        return budget.water(self.identity, self.use, self.traits, self.year)

    @cached_property
    def leak_micro(self) -> Amounts:
        """What a leak lets run in every hour of the year."""
        leak, mean = self.traits.leak, int(self.water.sum()) // len(hours(self.year).hour)
        flow = mean * leak.per_mille // 1000 if leak else 0
        return np.where(hours(self.year).day >= (leak.day if leak else 0), flow, 0)

    @cached_property
    def chargers(self) -> tuple[Charger, ...]:
        """Its chargers."""
        return tuple(sites.charger(self.identity, number, fast, self.seed) for number, fast in enumerate(self.speeds, start=1))

    @cached_property
    def sessions(self) -> tuple[Sessions, ...]:
        """Each charger's year."""
        most = self.electricity * budget.MOST_CHARGING_PER_MILLE // 1000 // max(1, len(self.chargers))
        return tuple(charging.sessions(each, self.identity.number, self.seed, self.year, most) for each in self.chargers)

    @cached_property
    def charging(self) -> Amounts:
        """All charging of every hour of the year."""
        none = np.zeros(len(hours(self.year).hour), np.int64)
        return np.asarray(np.sum([none, *(each.hours_micro for each in self.sessions)], axis=0))

    @cached_property
    def building(self) -> Building:
        """The months of the building by end use: what charging leaves of the electricity."""
        whole = self.electricity - self.monthly(self.charging)
        return budget.building(self.identity, self.traits, whole, self.seed, self.year)

    def monthly(self, hours_micro: Amounts) -> Amounts:
        """The sums of every month of a year's hours."""
        return np.asarray(np.add.reduceat(hours_micro, hours(self.year).month_starts))


def plans(city: Census, count: int, seed: int, year: int, leaks: float = 0.0) -> list[Plan]:
    """All institutions of a year, in the city's mix and in the order of their numbers."""
    rng = generator("fleet", seed)
    kinds, uses = city.kinds(count), quotas.uses(count, rng)
    shuffled = (kinds[at] for at in rng.permutation(count).tolist())
    known = [identities.identity(number, name, sub_class, seed) for number, (name, sub_class) in enumerate(shuffled, start=1)]
    bare = [_plan(of, use, seed, year, leaks) for of, use in zip(known, uses, strict=True)]
    leanest = [budget.leanest_kwh(plan.identity, plan.use) for plan in bare]
    placed = sites.places(leanest, city.chargers(count), seed)
    return [
        Plan(seed, year, plan.identity, plan.use, plan.traits, tuple(speeds)) for plan, speeds in zip(bare, placed, strict=True)
    ]


def _plan(of: Identity, use: Use, seed: int, year: int, leaks: float) -> Plan:
    own = traits(of, seed, year, leaks)
    if use.electricity_per_mille > MOST_TAKEN_OFF_PER_MILLE:
        own = replace(own, roof_kw=0, room=own.room and not quotas.ELECTRICITY.excluded(of.institution_class))
    return Plan(seed, year, of, use, own)
