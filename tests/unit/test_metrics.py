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
    metrics.standings.standings = [Shown("I1"), Shown("I2")]
    metrics.standings.regions = {"I1": "XN"}
    labels = {"indicator": "electricity_per_area", "period_kind": "month", "period": "running"}
    for name, value in (("meterwarden_quota_exceeded", 1), ("meterwarden_quota_used_ratio", 1.2)):
        assert registry.get_sample_value(name, {"institution": "I1", "region": "XN", **labels}) == value
        assert registry.get_sample_value(name, {"institution": "I2", "region": "", **labels}) == value


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
