"""What /metrics shows of readiness, of time, and of places."""

import time
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from ingest.metrics import Metrics
from schemas.quota import Level


@dataclass(frozen=True)
class Shown:
    """A standing, as far as /metrics shows it."""

    institution: str
    indicator: str = "electricity_per_area"
    period_kind: str = "month"
    closed: bool = False
    level: Level = Level.EXCEEDED
    used_ratio: float | None = 1.2
    projected_ratio: float | None = None


def test_ready_is_what_readyz_says() -> None:
    """Every condition, also one that was added later."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    assert registry.get_sample_value("meterwarden_ready") == 0
    metrics.connected.set(True)
    metrics.database_up.set(True)
    assert registry.get_sample_value("meterwarden_ready") == 0
    metrics.migrated.set(True)
    assert registry.get_sample_value("meterwarden_ready") == 1
    metrics.conditions.add("canary", lambda: False)
    assert registry.get_sample_value("meterwarden_ready") == 0


def test_the_clock_is_shown_at_the_scrape() -> None:
    """Not as of some earlier moment."""
    registry = CollectorRegistry()
    Metrics(registry)
    before = time.time()
    shown = registry.get_sample_value("meterwarden_time_seconds")
    assert shown is not None
    assert before <= shown <= time.time()


def test_a_standing_shows_its_region() -> None:
    """Empty, which Prometheus takes as no label, where it is not known."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.standings.show({code: [Shown(code)] for code in ("I1", "I2")})
    metrics.standings.regions = {"I1": "XN"}
    labels = {"indicator": "electricity_per_area", "period_kind": "month", "period": "running"}
    for name, value in (("meterwarden_quota_exceeded", 1), ("meterwarden_quota_used_ratio", 1.2)):
        assert registry.get_sample_value(name, {"institution": "I1", "region": "XN", **labels}) == value
        assert registry.get_sample_value(name, {"institution": "I2", "region": "", **labels}) == value


def test_standings_take_the_place_of_those_of_their_institution() -> None:
    """Counts and series of the others stay; of what is no longer shown none is left."""
    registry = CollectorRegistry()
    standings = Metrics(registry).standings
    within, water = Shown("I1", level=Level.WITHIN), Shown("I1", "water_per_person")
    standings.show({"I1": [Shown("I1"), water], "I2": [Shown("I2"), Shown("I2", closed=True, level=Level.NOT_ASSESSABLE)]})
    standings.show({"I1": [within]})

    def number(level: str, period: str = "running", indicator: str = "electricity_per_area") -> float | None:
        labels = {"indicator": indicator, "period_kind": "month", "period": period, "level": level}
        return registry.get_sample_value("meterwarden_quota_institutions", labels)

    assert [1, 1, 0] == [number(level) for level in ("within", "exceeded", "warning")]
    assert [1, 0] == [number(level, "closed") for level in ("not_assessable", "exceeded")]
    assert number("exceeded", indicator="water_per_person") is None
    assert ["I2"] == _exceeding(registry)
    standings.clear()
    assert [] == _exceeding(registry)
    assert number("within") is None


def test_of_equal_standings_the_cap_shows_the_same_whichever_changed_last() -> None:
    """Or series would come and go with every round."""
    registry = CollectorRegistry()
    standings = Metrics(registry).standings
    standings.most = 2
    codes = ("I3", "I1", "I2", "I4")
    standings.show({code: [Shown(code, used_ratio=1.5 if code == "I4" else 1.2)] for code in codes})
    for code in codes[:3]:
        standings.show({code: [Shown(code)]})
        assert ["I4", "I1"] == _exceeding(registry)


def _exceeding(registry: CollectorRegistry) -> list[str]:
    """Institutions with a series of their own, in the order shown."""
    [family] = [family for family in registry.collect() if family.name == "meterwarden_quota_exceeded"]
    return [sample.labels["institution"] for sample in family.samples]


def test_institutions_that_send_again_are_shown_no_longer() -> None:
    """Their series end, rather than fall to zero."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.show_devices([("I1", "XN", 12, 3, 1), ("I2", "WH", 4, 4, 0)])
    shown = [
        registry.get_sample_value(f"meterwarden_{name}", {"institution": "I1", "region": "XN"})
        for name in ("meters_expected", "meters_silent", "gateways_offline")
    ]
    assert shown == [12, 3, 1]
    metrics.show_devices([("I2", "WH", 4, 4, 0)])
    assert registry.get_sample_value("meterwarden_meters_silent", {"institution": "I1", "region": "XN"}) is None
    assert registry.get_sample_value("meterwarden_meters_silent", {"institution": "I2", "region": "WH"}) == 4
