"""What panels of the service's own metrics share: which processes, rates, quantiles, and why one may be empty."""

from typing import Final

from ingest.dashboards.panels import Prom, Words

HERE: Final = '{job=~"$job", instance=~"$instance"}'
RUNNING: Final = '{job=~"$job", instance=~"$instance", period="running"}'
NOT_SCRAPED: Final[Words] = ("Prometheus 未采集到该服务。", "Prometheus does not scrape the service.")
NONE_YET: Final[Words] = ("尚无此类事件。", "nothing of the kind has happened yet.")


def quantiles(metric: str, *shares: float) -> tuple[Prom, ...]:
    """A histogram's quantiles over all processes."""
    buckets = f"sum by (le) (rate({metric}_bucket{HERE}[$__rate_interval]))"
    return tuple(Prom(f"histogram_quantile({share}, {buckets})", f"p{round(share * 100)}") for share in shares)


def per_second(metric: str, by: str) -> Prom:
    """A counter's rate over all processes, by one label."""
    return Prom(f"sum by ({by}) (rate({metric}{HERE}[$__rate_interval]))", f"{{{{{by}}}}}")
