"""`python -m benchmarks.vee.swaps`: is it found where two meters report under each other's code, and only there?

A simulated October twice: with many resets, undeclared exchanges and unit slips, none of which is a swap; and without a fault, but
for two meters of each institution and medium that swap at a random hour of the month. The same seeds give the same lines.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import click

from benchmarks.vee.city import day_of, simulated
from benchmarks.vee.registers import ZONE, Key, Register, digests_of, judged
from ingest.metering.calendar import HOUR_US
from ingest.metering.vee.episodes import Finding
from simulators.month import Month
from simulators.scenario import Scenario

RATES: Final = {"reset": 1e-3, "exchange": 1e-3, "unit_slip": 1.5e-3, "freeze": 5e-5}
"""Per reading: enough that often two meters of an institution jump on one day."""
MONTH: Final = Month.parse("2026-10")
FIRST, LAST = day_of(MONTH.start_s), day_of(MONTH.end_s) - 1


class Swap(NamedTuple):
    """Two registers that report as each other from an instant on."""

    one: Key
    other: Key
    at: int


@click.command()
@click.option("--institutions", default=25, show_default=True)
@click.option("--seed", "seeds", default=(1,), multiple=True, show_default=True, help="may be given several times")
def main(institutions: int, seeds: Sequence[int]) -> None:
    """Print false alarms among jumps on one day, and how many swaps were found, on both meters or on one."""
    for seed in seeds:
        registers, _ = simulated(institutions, seed, MONTH, Scenario().with_rates(**RATES), 0)
        pairs, found = _pairs(registers), _swapped(judged(registers, FIRST, LAST, ZONE))
        click.echo(f"seed {seed}: {len(registers)} registers; two jumped on one day {pairs} times; false alarms {len(found)}")
        registers, _ = simulated(institutions, seed, MONTH, Scenario(), 0)
        swaps = list(_swap(registers, random.Random(seed)))
        found = _swapped(judged({key: registers[key] for swap in swaps for key in swap[:2]}, FIRST, LAST, ZONE))
        times = Counter(sum(key in found for key in swap[:2]) for swap in swaps)
        click.echo(f"seed {seed}: {len(swaps)} swaps; found on both meters {times[2]}, on one {times[1]}")
        for swap in swaps:
            if not {swap.one, swap.other} & found:
                rated = f"{registers[swap.one].rated} and {registers[swap.other].rated}"
                click.echo(f"missed: {'/'.join(swap.one)} and {swap.other[2]}, rated {rated}")


def _pairs(registers: Mapping[Key, Register]) -> int:
    """How often two registers that count alike went on elsewhere on one day."""
    jumped = Counter(
        (*key[:2], key[3], one.day)
        for key, of in registers.items()
        for one in digests_of(of, ZONE, LAST).values()
        if one.went_on_elsewhere and FIRST <= one.day <= LAST
    )
    return sum(number * (number - 1) // 2 for number in jumped.values())


def _swapped(found: Mapping[Key, Sequence[Finding]]) -> set[Key]:
    return {key for key, of in found.items() for one in of if one.rule == "swapped"}


def _swap(registers: dict[Key, Register], rng: random.Random) -> Iterator[Swap]:
    """Swap two of each institution, medium and register."""
    alike = defaultdict[tuple[str, ...], list[Key]](list)
    for key in sorted(registers):
        if "_tariff_" not in key[3]:
            alike[*key[:2], key[3]].append(key)
    for keys in alike.values():
        if len(keys) > 1:
            one, other = rng.sample(keys, 2)
            at = ZONE.day_start(rng.randrange(FIRST + 3, LAST - 3)) + rng.randrange(24) * HOUR_US
            own, its = registers[one], registers[other]
            for key, of, before, after in ((one, own, own, its), (other, its, its, own)):
                raw = [each for each in before.raw if each.read_at < at] + [each for each in after.raw if each.read_at >= at]
                registers[key] = replace(of, raw=raw)
            yield Swap(one, other, at)


if __name__ == "__main__":
    main()
