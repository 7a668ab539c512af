"""What runs of this benchmark add up to, as tables for docs/vee.md."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import click

from benchmarks.vee.city import Injected
from benchmarks.vee.registers import Key
from ingest.metering.vee.episodes import Finding
from ingest.metering.vee.rules import RULES

Found = Mapping[Key, Sequence[Finding]]


@dataclass
class Tally:
    """Quiet months, faults, and registers without a fault in months with faults: by month, fault and rule."""

    registers: Counter[str] = field(default_factory=Counter)
    flagged: Counter[str] = field(default_factory=Counter)
    alarms: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    injected: Counter[tuple[str, str]] = field(default_factory=Counter)
    found: Counter[tuple[str, str]] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    other_registers: int = 0

    def add_quiet(self, month: str, found: Found) -> None:
        """A quiet month: whatever is found is a false alarm."""
        self.registers[month] += len(found)
        self.flagged[month] += sum(bool(of) for of in found.values())
        self.alarms[month].update(one.rule for of in found.values() for one in of)

    def add_fault(self, one: Injected, *, hit: bool) -> None:
        """A fault, and whether its rule found it."""
        self.injected[one.fault, one.rule] += 1
        self.found[one.fault, one.rule] += hit

    def add_others(self, found: Found) -> None:
        """Registers without a fault of their own, beside some with one."""
        self.other_registers += len(found)
        self.others.update(one.rule for of in found.values() for one in of)


def show(tally: Tally) -> None:
    """Print the tables."""
    click.echo("\n| quiet month | register-months | flagged | by |\n|---|---|---|---|")
    for month, count in tally.registers.items():
        by = ", ".join(f"`{rule}` {number}" for rule, number in tally.alarms[month].most_common())
        click.echo(f"| {month} | {count:,} | {tally.flagged[month]} ({tally.flagged[month] / count:.2%}) | {by} |")
    click.echo("\n| rule | false alarms | injected | found | missed |\n|---|---|---|---|---|")
    for rule in RULES:
        alarms = sum(of[rule] for of in tally.alarms.values())
        injected, found = (sum(number for (_, one), number in of.items() if one == rule) for of in (tally.injected, tally.found))
        click.echo(f"| `{rule}` | {alarms} | {injected} | {found} | {injected - found} |")
    click.echo("\n| fault | rule | injected | found |\n|---|---|---|---|")
    for (fault, rule), injected in tally.injected.items():
        shown = f"`{rule}` | {injected} | {tally.found[fault, rule]}" if rule else f"(none) | ({injected}) | "
        click.echo(f"| {fault} | {shown} |")
    click.echo(f"\non {tally.other_registers:,} registers without a fault of their own: {dict(tally.others) or 'nothing'}")
