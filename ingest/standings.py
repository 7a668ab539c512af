"""How institutions stand against their quotas, as /metrics shows it: few series, read at scrape time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from schemas.quota import Level

STANDING_LABELS: Final = ("institution", "region", "indicator", "period_kind", "period")


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

    standings: Sequence[ShownStanding] = ()
    regions: Mapping[str, str] = field(default_factory=dict)
    """The region's code by institution."""
    most: int = 200

    def collect(self) -> Iterator[Metric]:
        """Counts by level; ratio and level of those above the warning level."""
        yield self._counts()
        shown = sorted(self._shown(), key=lambda standing: standing.used_ratio or 0, reverse=True)[: self.most]
        yield self._ratios("meterwarden_quota_used_ratio", "Used share of the constraint", shown, "used_ratio")
        yield self._ratios(
            "meterwarden_quota_projected_ratio", "Projected share of the constraint at the end", shown, "projected_ratio"
        )
        exceeded = GaugeMetricFamily("meterwarden_quota_exceeded", "1: over the constraint", labels=STANDING_LABELS)
        for standing in shown:
            exceeded.add_metric(self._labels(standing), 1 if standing.level == Level.EXCEEDED else 0)
        yield exceeded

    def _counts(self) -> GaugeMetricFamily:
        counts = GaugeMetricFamily(
            "meterwarden_quota_institutions", "Institutions by level", labels=["indicator", "period_kind", "period", "level"]
        )
        keys = {(standing.indicator, standing.period_kind, _period(standing)) for standing in self.standings}
        for key in sorted(keys):
            levels = [s.level for s in self.standings if (s.indicator, s.period_kind, _period(s)) == key]
            for level in Level:
                counts.add_metric([*key, level], levels.count(level))
        return counts

    def _shown(self) -> Iterator[ShownStanding]:
        return (standing for standing in self.standings if standing.level in (Level.WARNING, Level.PROJECTED, Level.EXCEEDED))

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


def _period(standing: ShownStanding) -> str:
    return "closed" if standing.closed else "running"
