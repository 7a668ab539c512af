"""How institutions stand against their quotas, as /metrics shows it: few series, read at scrape time."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Final, Protocol

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from schemas.quota import Level

STANDING_LABELS: Final = ("institution", "region", "indicator", "period_kind", "period")
Group = tuple[str, str, str]
"""Indicator, period kind and period."""
HIGH: Final = frozenset({Level.WARNING, Level.PROJECTED, Level.EXCEEDED})


class ShownStanding(Protocol):
    """What a standing shows of itself in /metrics."""

    @property
    def institution(self) -> str: ...
    @property
    def indicator(self) -> str: ...
    @property
    def period_kind(self) -> str: ...
    @property
    def closed(self) -> bool: ...
    @property
    def level(self) -> Level: ...
    @property
    def used_ratio(self) -> float | None: ...
    @property
    def projected_ratio(self) -> float | None: ...


@dataclass(slots=True, eq=False)
class StandingsCollector(Collector):
    """Quota standings, read at scrape time: counts for all, series of their own for the highest ones up to a cap."""

    regions: Mapping[str, str] = field(default_factory=dict)
    """The region's code by institution."""
    most: int = 200
    _standings: dict[str, Sequence[ShownStanding]] = field(default_factory=dict)
    _high: dict[str, list[ShownStanding]] = field(default_factory=dict)
    _counts: Counter[tuple[Group, Level]] = field(default_factory=Counter)

    def show(self, standings: Mapping[str, Sequence[ShownStanding]]) -> None:
        """Put the standings of some institutions, by code, in the place of theirs."""
        for institution, new in standings.items():
            self._counts.subtract(map(_counted, self._standings.pop(institution, ())))
            self._high.pop(institution, None)
            self._counts.update(map(_counted, new))
            if new:
                self._standings[institution] = new
            if high := [standing for standing in new if standing.level in HIGH]:
                self._high[institution] = high

    def clear(self) -> None:
        """Show none."""
        self.show(dict.fromkeys(self._standings, ()))

    def collect(self) -> Iterator[Metric]:
        """Counts by level; ratio and level of those above the warning level."""
        yield self._by_level()
        shown = nsmallest(self.most, (standing for high in self._high.values() for standing in high), key=_rank)
        yield self._ratios("meterwarden_quota_used_ratio", "Used share of the constraint", shown, "used_ratio")
        yield self._ratios(
            "meterwarden_quota_projected_ratio", "Projected share of the constraint at the end", shown, "projected_ratio"
        )
        exceeded = GaugeMetricFamily("meterwarden_quota_exceeded", "1: over the constraint", labels=STANDING_LABELS)
        for standing in shown:
            exceeded.add_metric(self._labels(standing), 1 if standing.level == Level.EXCEEDED else 0)
        yield exceeded

    def _by_level(self) -> GaugeMetricFamily:
        counts = GaugeMetricFamily(
            "meterwarden_quota_institutions", "Institutions by level", labels=["indicator", "period_kind", "period", "level"]
        )
        for group in sorted({group for (group, _), number in self._counts.items() if number}):
            for level in Level:
                counts.add_metric([*group, level], self._counts[group, level])
        return counts

    def _ratios(self, name: str, text: str, shown: Iterable[ShownStanding], what: str) -> GaugeMetricFamily:
        family = GaugeMetricFamily(name, text, labels=STANDING_LABELS)
        for standing in shown:
            ratio = getattr(standing, what)
            if ratio is not None:
                family.add_metric(self._labels(standing), ratio)
        return family

    def _labels(self, standing: ShownStanding) -> list[str]:
        region = self.regions.get(standing.institution, "")
        return [standing.institution, region, standing.indicator, standing.period_kind, _period(standing)]


def _counted(standing: ShownStanding) -> tuple[Group, Level]:
    return (standing.indicator, standing.period_kind, _period(standing)), standing.level


def _rank(standing: ShownStanding) -> tuple[float, str, str, str, bool]:
    """The highest first; equal ones always in the same order, so that the cap cuts off the same."""
    return -(standing.used_ratio or 0), standing.institution, standing.indicator, standing.period_kind, standing.closed


def _period(standing: ShownStanding) -> str:
    return "closed" if standing.closed else "running"
