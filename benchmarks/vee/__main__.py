"""`python -m benchmarks.vee`: how often the rules of validation are right, on a simulated city whose faults are known.

Two months of history without faults, then the month that is judged: once quiet (every finding is a false alarm), once with the
simulator's mishaps and with faults of this file's own, each on a meter of its own. Settled by the service's own fold, in memory;
the same seed gives the same table.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import click

from benchmarks.vee.city import Injected, day_of, simulated
from benchmarks.vee.faults import as_meant, spoil
from benchmarks.vee.registers import ZONE, Key, Register, digests_of, judged, parent_of
from ingest.metering.vee.episodes import Finding
from ingest.metering.vee.rules import RULES
from simulators.month import Month
from simulators.scenario import Scenario


class Line(NamedTuple):
    """A row of the table of faults."""

    fault: str
    rule: str
    injected: int
    found: int


def scored(found: Mapping[Key, Sequence[Finding]], injected: Iterable[Injected], registers: Mapping[Key, Register]) -> list[Line]:
    """How many of each fault its rule found."""
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for one in injected:
        counts[one.fault, one.rule][0] += 1
        counts[one.fault, one.rule][1] += is_found(one, found, registers)
    return [Line(fault, rule, *count) for (fault, rule), count in counts.items()]


def is_found(one: Injected, found: Mapping[Key, Sequence[Finding]], registers: Mapping[Key, Register]) -> bool:
    """Whether the rule for a fault speaks on its days; what is wrong with a sub-meter may show at the meter before it."""
    return any(
        finding.rule == one.rule and finding.from_day <= one.last and finding.to_day >= one.first
        for key in (one.key, parent_of(one.key, registers))
        if key is not None
        for finding in found.get(key, ())
    )


@click.command()
@click.option("--institutions", default=100, show_default=True)
@click.option("--seed", default=7, show_default=True)
@click.option("--months", default="2026-02,2026-05,2026-07,2026-10", show_default=True, help="judged; holidays lie in each")
@click.option("--details", is_flag=True, help="every false alarm with its evidence")
def main(institutions: int, seed: int, months: str, details: bool) -> None:
    """Print, per rule, what was injected, found and missed, and how often a rule speaks where nothing is wrong."""
    alarms: Counter[str] = Counter()
    flagged: set[tuple[str, Key]] = set()
    flagged_institutions: set[tuple[str, str]] = set()
    meter_months = institution_months = 0
    for text in months.split(","):
        month = Month.parse(text)
        registers, _ = simulated(institutions, seed, month, Scenario(), 0)
        found = judged(registers, day_of(month.start_s), day_of(month.end_s) - 1)
        meter_months += len(found)
        institution_months += institutions
        for key, of in found.items():
            for one in of:
                alarms[one.rule] += 1
                flagged.add((text, key))
                flagged_institutions.add((text, key[0]))
                if details:
                    click.echo(f"{text} {'/'.join(key)} {one.rule} {one.days} {dict(one.evidence)}")
    click.echo(
        f"\nquiet: {meter_months} register-months of {institution_months} institution-months\n\n| rule | false alarms |\n|---|---|"
    )
    for rule in RULES:
        click.echo(f"| {rule} | {alarms[rule]} |")
    click.echo(f"\nregister-months flagged: {len(flagged)} ({len(flagged) / meter_months:.2%})")
    click.echo(f"institution-months flagged: {len(flagged_institutions)} ({len(flagged_institutions) / institution_months:.2%})")
    _faulty(institutions, seed, Month.parse(months.split(",")[-1]), details=details)


RATES: Final = {"freeze": 5e-5, "unit_slip": 2e-5, "reset": 1e-5, "exchange": 1e-5, "clock_skew": 0.02, "conflict": 0.0002}


def _faulty(institutions: int, seed: int, month: Month, *, details: bool) -> None:
    scenario = Scenario().with_rates(**RATES)
    registers, injected = simulated(institutions, seed, month, scenario, 0.3)
    first, last = day_of(month.start_s), day_of(month.end_s) - 1
    struck = {one.key for one in injected}
    injected = [one for one in injected if first <= one.first and one.last <= last]
    spoilt = spoil(registers, month, seed, set(struck))
    injected += [as_meant(one, of, digests_of(of, ZONE, one.last).get(one.first)) for one in spoilt for of in (registers[one.key],)]
    injected += [
        Injected("several values for one time", "conflict", key, ZONE.day(at), ZONE.day(at))
        for key, register in sorted(registers.items())
        for at in sorted(register.conflicts)
    ]
    found = judged(registers, first, last)
    click.echo("\nfaulty:\n\n| fault | rule | injected | found | missed |\n|---|---|---|---|---|")
    for line in scored(found, injected, registers):
        missed = line.injected - line.found if line.rule else "-"
        click.echo(f"| {line.fault} | {line.rule or '(none)'} | {line.injected} | {line.found if line.rule else '-'} | {missed} |")
    if details:
        for one in injected:
            if one.rule and not is_found(one, found, registers):
                of = registers[one.key]
                click.echo(f"missed: {one.fault} {'/'.join(one.key)} step {of.quantum * of.ratio_milli / 1e6} exports {of.exports}")
    wrong = struck | {one.key for one in injected}
    wrong |= {above for key in wrong if (above := parent_of(key, registers))}
    others = Counter(one.rule for key, of in found.items() if key not in wrong for one in of)
    click.echo(f"\non {len(set(found) - wrong)} registers without a fault of their own: {dict(others) or 'nothing'}")


if __name__ == "__main__":
    main()
