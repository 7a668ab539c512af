"""`python -m benchmarks.vee`: how often the rules of validation are right, on a simulated city whose faults are known.

Two months of history without faults, then the month that is judged: once quiet (every finding is a false alarm), once with the
simulator's mishaps and with further faults, each on a meter of its own. Settled by the service's own fold, in memory;
the same seeds give the same tables.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import click

from benchmarks.vee.city import Injected, day_of, simulated
from benchmarks.vee.faults import PARTS, as_meant, spoil
from benchmarks.vee.registers import ZONE, Key, Register, digests_of, judged, parent_of
from benchmarks.vee.tables import Tally, show
from benchmarks.vee.tariffs import total_of
from ingest.metering.vee.episodes import Finding
from simulators.month import Month
from simulators.scenario import Scenario

RATES: Final = {"freeze": 5e-5, "unit_slip": 2e-5, "reset": 1e-5, "exchange": 1e-5, "clock_skew": 0.02, "conflict": 0.0002}
LEAKS: Final = 0.3
"""Share of institutions whose water leaks."""


@click.command()
@click.option("--institutions", default=100, show_default=True)
@click.option("--seed", "seeds", default=(7,), multiple=True, show_default=True, help="may be given several times")
@click.option("--months", default="2026-02,2026-05,2026-07,2026-10", show_default=True, help="judged; faults lie in the last")
@click.option("--details", is_flag=True, help="every false alarm with its evidence, every fault that was missed")
def main(institutions: int, seeds: Sequence[int], months: str, details: bool) -> None:
    """Print, per rule, how often it speaks where nothing is wrong, and what was injected, found and missed."""
    tally = Tally()
    judged_months = [Month.parse(text) for text in months.split(",")]
    for seed in seeds:
        for month in judged_months:
            _quiet(tally, institutions, seed, month, details=details)
        _faulty(tally, institutions, seed, judged_months[-1], details=details)
    show(tally)


def _quiet(tally: Tally, institutions: int, seed: int, month: Month, *, details: bool) -> None:
    registers, _ = simulated(institutions, seed, month, Scenario(), 0)
    found = judged(registers, day_of(month.start_s), day_of(month.end_s) - 1)
    alarms = [(key, one) for key, of in found.items() for one in of]
    tally.add_quiet(str(month), found)
    click.echo(f"seed {seed}, {month}, quiet: {len(found)} registers, {len(alarms)} findings")
    for key, one in alarms if details else ():
        click.echo(f"{'/'.join(key)} {one.rule} {one.days} {dict(one.evidence)}")


def _faulty(tally: Tally, institutions: int, seed: int, month: Month, *, details: bool) -> None:
    registers, mishaps = simulated(institutions, seed, month, Scenario().with_rates(**RATES), LEAKS)
    first, last = day_of(month.start_s), day_of(month.end_s) - 1
    struck = {one.key for one in mishaps}
    known = {key: digests_of(register, ZONE, last) for key, register in registers.items()}
    mishaps = [one for one in mishaps if first <= one.first and one.last <= last]
    mishaps += [
        Injected("several values for one time", "conflict", key, ZONE.day(at), ZONE.day(at))
        for key, register in sorted(registers.items())
        for at in sorted(register.conflicts)
    ]
    for part in range(PARTS):
        spoilt = dict(registers)
        injected = spoil(spoilt, month, seed, set(struck), part)
        changed = {one.key: digests_of(spoilt[one.key], ZONE, last) for one in injected}
        found = judged(spoilt, first, last, ZONE, known | changed)
        injected = [as_meant(one, spoilt[one.key], changed[one.key].get(one.first)) for one in injected] + mishaps * (part == 0)
        for one in injected:
            hit = is_found(one, found, spoilt)
            tally.add_fault(one, hit=hit)
            if details and one.rule and not hit:
                of = spoilt[one.key]
                click.echo(f"missed: {one.fault} {'/'.join(one.key)} step {of.quantum * of.ratio_milli / 1e6} exports {of.exports}")
        wrong = struck | {one.key for one in (*injected, *mishaps)}
        wrong |= {above for key in wrong for above in _wholes(key, spoilt)}
        others = {key: of for key, of in found.items() if key not in wrong}
        tally.add_others(others)
        click.echo(f"seed {seed}, {month}, faulty: {len(injected)} faults; {sum(map(len, others.values()))} findings elsewhere")


def is_found(one: Injected, found: Mapping[Key, Sequence[Finding]], registers: Mapping[Key, Register]) -> bool:
    """Whether the rule for a fault speaks on its days; what is wrong with a part may show at its whole."""
    return any(
        finding.rule == one.rule and finding.from_day <= one.last and finding.to_day >= one.first
        for key in (one.key, *_wholes(one.key, registers))
        for finding in found.get(key, ())
    )


def _wholes(key: Key, registers: Mapping[Key, Register]) -> Iterable[Key]:
    """The total of a tariff register, and the meter before a meter."""
    if total_of(key) != key:
        yield total_of(key)
    if key in registers and (above := parent_of(key, registers)):
        yield above


if __name__ == "__main__":
    main()
