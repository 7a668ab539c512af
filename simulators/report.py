"""The comparison of ledger and database in words that a newcomer understands."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of disagreement: how many, and the first few."""

    name: str
    count: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        shown = "; ".join(self.examples)
        more = "; …" if self.examples and self.count > len(self.examples) else ""
        return f"{self.count:,} {self.name}" + (f": {shown}{more}" if shown else "")


@dataclass(frozen=True, slots=True)
class Largest:
    """The largest difference between true and derived consumption among periods of one unit."""

    unit: str
    periods: int
    amount: float
    display_steps: float

    def __str__(self) -> str:
        largest = f"{self.amount:.6g} {self.unit} ({self.display_steps:.2f} display steps)"
        return f"{self.periods:,} of meters in {self.unit}, largest difference {largest}"


@dataclass(frozen=True, slots=True)
class Report:
    """What the ledger expects and what the database holds. Messages and readings are counted distinct."""

    stored: int
    """Messages whose readings are kept, the disputed ones among them."""
    disputed: int
    rejected: int
    repeated: int
    quarantined: int
    statuses: int
    """Births and wills of gateways, states of chargers: published, and not compared."""
    dropped: int
    """Messages that were never published."""
    readings_expected: int
    readings_found: int
    months: tuple[Largest, ...]
    hours: tuple[Largest, ...]
    flags_expected: frozenset[str]
    flags_raised: frozenset[str]
    findings: tuple[Finding, ...]
    """What disagrees; empty where nothing does."""
    explained: tuple[Finding, ...] = ()
    """Where the truth differs from what the published readings prove, and why."""
    sessions_expected: int = 0
    """Charging sessions of which anything was published."""
    sessions_found: int = 0

    @property
    def published(self) -> int:
        """Distinct messages published."""
        return self.stored + self.rejected

    @property
    def agrees(self) -> bool:
        """Whether nothing disagrees."""
        return not self.problems

    @property
    def problems(self) -> list[str]:
        """One line a kind of disagreement, with up to five examples."""
        return [str(finding) for finding in self.findings]

    def count(self, name: str) -> int:
        """How often a kind of disagreement was found."""
        return sum(finding.count for finding in self.findings if finding.name == name)

    @property
    def figures(self) -> dict[str, object]:
        """What was compared, for programs."""
        steps = max((each.display_steps for each in (*self.months, *self.hours)), default=0.0)
        return {
            "published": self.published,
            "stored": self.stored,
            "rejected": self.rejected,
            "quarantined": self.quarantined,
            "repeated": self.repeated,
            "readings_expected": self.readings_expected,
            "readings_found": self.readings_found,
            "largest_difference_display_steps": round(steps, 3),
            "flags_expected": len(self.flags_expected),
            "flags_raised": len(self.flags_raised),
            "sessions_expected": self.sessions_expected,
            "sessions_found": self.sessions_found,
            "disputed": self.disputed,
            "statuses": self.statuses,
            "dropped": self.dropped,
            "explained": {finding.name: finding.count for finding in self.explained},
            "unexplained": sum(finding.count for finding in self.findings),
            "agrees": self.agrees,
            "problems": self.problems,
        }

    def summary(self) -> str:
        """A compact aligned text: what was compared, then the problems or that there are none."""
        lines = [f"{name:<13}{text}" for name, text in self._lines()]
        return "\n".join([*lines, *self._verdict()])

    def _lines(self) -> Iterator[tuple[str, str]]:
        yield "messages", f"{self.published:,} distinct published; {self.repeated:,} publishes were repeats"
        yield "  good", f"{self.stored:,} to be stored, {self.disputed:,} of them to be disputed"
        yield "  malformed", f"{self.rejected:,} to be rejected, {self.quarantined:,} in quarantine"
        yield "  other", f"{self.dropped:,} dropped before they were published, {self.statuses:,} states of gateways and chargers"
        yield "readings", f"{self.readings_expected:,} expected, {self.readings_found:,} found, {self._reading_faults()}"
        for name, periods in (("months", self.months), ("hours", self.hours)):
            yield from ((name, f"{each}") for each in periods)
        yield "sessions", f"{self.sessions_expected:,} of charging expected, {self.sessions_found:,} found"
        yield "flags", f"{len(self.flags_expected):,} expected, {len(self.flags_raised):,} raised"
        yield from (("explained", f"{each.count:,} {each.name}") for each in self.explained)

    def _reading_faults(self) -> str:
        names = {"missing": "readings missing", "extra": "readings never sent", "different": "readings with another value"}
        return ", ".join(f"{self.count(name):,} {word}" for word, name in names.items())

    def _verdict(self) -> list[str]:
        if self.agrees:
            return ["=> the database agrees with the ledger (consumption within one display step, or with a reason)"]
        return [f"=> {len(self.problems)} kinds of disagreement", *(f"   {problem}" for problem in self.problems)]
