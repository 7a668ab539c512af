"""Every metric on one screen. Label values are few and known, and stand at zero from the start; no metric names a meter."""

import time
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from ingest.errors import Reason
from ingest.metering.vee.rules import RULES
from ingest.standings import StandingsCollector

OUTCOMES: Final = ("stored", "duplicate", "rejected")
READING_OUTCOMES: Final = ("stored", "duplicate", "disputed")
STATE_OUTCOMES: Final = ("stored", "repeated", "rejected", "unregistered")
WRITE_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Condition:
    """A yes or no that readiness asks for and /metrics shows as 1 or 0. Who knows a part of it says so under a name of its own."""

    def __init__(self, gauge: Gauge) -> None:
        """No, at first."""
        self._gauge = gauge
        self._parts: dict[str, bool] = {}

    def __bool__(self) -> bool:
        """Whether it holds: every part that was ever named."""
        return bool(self._parts) and all(self._parts.values())

    def set(self, holds: bool, part: str = "") -> None:
        """Change it, or the part of it that the caller knows."""
        self._parts[part] = holds
        self._gauge.set(bool(self))


class Conditions:
    """What readiness needs, by name; parts of the service add their own."""

    def __init__(self, **conditions: Callable[[], bool]) -> None:
        """With these to begin with."""
        self._conditions = dict(conditions)

    def add(self, name: str, holds: Callable[[], bool]) -> None:
        """One more."""
        self._conditions[name] = holds

    def __call__(self) -> dict[str, bool]:
        """Which hold now."""
        return {name: holds() for name, holds in self._conditions.items()}


class Metrics:
    """Counters and gauges of one process.

    The accounting identity, at any moment: messages_received = sum of messages over outcomes + messages_in_flight.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        """Declare everything in `registry`."""
        self.registry = registry
        Info("meterwarden_build", "Version of this process", registry=registry).info({"version": version("meterwarden")})
        Gauge("meterwarden_ready", "1 while /readyz says so", registry=registry).set_function(
            lambda: all(self.conditions().values())
        )
        Gauge("meterwarden_time_seconds", "The clock of this process's machine", registry=registry).set_function(time.time)

        # intake
        self.received = Counter("meterwarden_messages_received_total", "Messages delivered by the broker", registry=registry)
        self.messages = Counter(
            "meterwarden_messages_total", "Messages decided and committed, by outcome", ["outcome"], registry=registry
        )
        self.in_flight = Gauge("meterwarden_messages_in_flight", "Messages received and not yet decided", registry=registry)
        self.uncommitted_bytes = Gauge("meterwarden_uncommitted_bytes", "Size of the undecided messages", registry=registry)
        self.uncommitted_limit = Gauge(
            "meterwarden_uncommitted_limit_bytes",
            "Size of undecided messages from which on reading pauses, as set",
            registry=registry,
        )
        self.readings = Counter("meterwarden_readings_total", "Register readings, by outcome", ["outcome"], registry=registry)
        self.rejected = Counter("meterwarden_messages_rejected_total", "Rejected, by reason", ["reason"], registry=registry)
        self.acknowledged = Counter("meterwarden_messages_acknowledged_total", "PUBACKs sent", registry=registry)
        self.batch_messages = Histogram(
            "meterwarden_batch_messages", "Messages a batch", buckets=(1, 10, 100, 500, 1000, 2500, 5000, 10000), registry=registry
        )
        self.write_seconds = Histogram(
            "meterwarden_write_duration_seconds", "Time to commit a batch", buckets=WRITE_BUCKETS, registry=registry
        )
        self.last_commit = Gauge(
            "meterwarden_last_commit_timestamp_seconds",
            "When intake last committed a batch",
            registry=registry,
        )
        self.write_failures = Counter(
            "meterwarden_write_failures_total", "Batches not committed and tried again", ["kind"], registry=registry
        )

        # broker and database
        self.connected = Condition(Gauge("meterwarden_broker_connected", "1 while connected and subscribed", registry=registry))
        self.reconnects = Counter("meterwarden_broker_reconnects_total", "Connections lost and made again", registry=registry)
        self.sessions_lost = Counter(
            "meterwarden_broker_sessions_lost_total", "Reconnects that found no session at the broker", registry=registry
        )
        self.taken_over = Counter(
            "meterwarden_broker_sessions_taken_over_total", "Times another client used our identifier", registry=registry
        )
        self.reading_paused = Gauge("meterwarden_broker_reading_paused", "1 while too much is uncommitted", registry=registry)
        self.broker_dropped = Gauge(
            "meterwarden_broker_dropped_messages",
            "By the broker's own count: messages dropped since it started, for any client, because a queue was full",
            ["broker"],
            registry=registry,
        )
        self.broker_stored = Gauge(
            "meterwarden_broker_stored_messages",
            "By the broker's own count: messages it holds, those queued for absent or slow clients and retained ones",
            ["broker"],
            registry=registry,
        )
        self.broker_clients = Gauge(
            "meterwarden_broker_clients", "By the broker's own count: clients connected to it", ["broker"], registry=registry
        )
        self.database_up = Condition(
            Gauge(
                "meterwarden_database_up", "1 while the last uses of it by intake and by the registry succeeded", registry=registry
            )
        )
        self.migrated = Condition(
            Gauge(
                "meterwarden_database_migrated",
                "1 while the database has the structure that this version works on",
                registry=registry,
            )
        )
        self.canary_latency = Histogram(
            "meterwarden_canary_latency_seconds",
            "From publishing a reading of our own to seeing it committed",
            buckets=WRITE_BUCKETS,
            registry=registry,
        )
        self.canary_seen = Gauge(
            "meterwarden_canary_last_seen_timestamp_seconds", "When a reading of our own was last seen committed", registry=registry
        )
        self.canary_enabled = Gauge("meterwarden_canary_enabled", "1 where readings of our own are published", registry=registry)
        self.canary_behind = Gauge(
            "meterwarden_canary_behind",
            "1 while a reading of our own is late, behind messages that come through",
            registry=registry,
        )
        self.certificate_expiry = Gauge(
            "meterwarden_certificate_expiry_timestamp_seconds",
            "When a certificate expires: our files for TLS, and what broker and database show",
            ["purpose"],
            registry=registry,
        )
        self.members_absent = Gauge(
            "meterwarden_members_absent",
            "Workers not seen for a quarter of their session's life at the broker",
            registry=registry,
        )
        self.registry_meters = Gauge("meterwarden_registry_meters", "Meters known to intake", registry=registry)
        self.registry_version = Gauge("meterwarden_registry_version", "Version of the registry in use", registry=registry)
        self.quarantined = Gauge("meterwarden_quarantine_open", "Messages in quarantine, by reason", ["reason"], registry=registry)
        self.replayed = Counter("meterwarden_quarantine_replayed_total", "Messages replayed out of quarantine", registry=registry)
        self.quarantine_bytes = Gauge("meterwarden_quarantine_bytes", "What it takes on disk, about", registry=registry)
        self.quarantine_fill_ratio = Gauge(
            "meterwarden_quarantine_fill_ratio",
            "The highest of its size and the age of its oldest open message, over their caps",
            registry=registry,
        )
        self.quarantine_warn_ratio = Gauge(
            "meterwarden_quarantine_warn_ratio", "The share of a cap from which on to warn, as set", registry=registry
        )
        self.purged = Counter(
            "meterwarden_quarantine_purged_total", "Messages deleted at a cap of the quarantine", ["state"], registry=registry
        )

        # settlement
        self.settling = Gauge("meterwarden_settlement_active", "1 in the process that settles", registry=registry)
        self.marks = Gauge("meterwarden_settlement_marks_waiting", "Channel-hours that wait to be settled", registry=registry)
        self.oldest_mark = Gauge(
            "meterwarden_settlement_oldest_mark_seconds",
            "For how long the oldest mark has waited, as far as this settler has seen",
            registry=registry,
        )
        self.channels_aside = Gauge(
            "meterwarden_settlement_channels_aside", "Registers set aside, since settling them failed", registry=registry
        )
        self.rounds = Counter("meterwarden_settlement_rounds_total", "Rounds, by result", ["result"], registry=registry)
        self.round_seconds = Histogram(
            "meterwarden_settlement_round_seconds", "Time of a round that had work", buckets=(*WRITE_BUCKETS, 30), registry=registry
        )
        self.last_round = Gauge(
            "meterwarden_settlement_last_round_timestamp_seconds",
            "When a round last ended",
            registry=registry,
        )
        self.sessions_due = Gauge(
            "meterwarden_settlement_sessions_waiting", "Charging sessions that wait to be derived", registry=registry
        )
        self.states = Counter(
            "meterwarden_device_states_total", "States of chargers and gateways, by outcome", ["outcome"], registry=registry
        )
        self.findings = Gauge(
            "meterwarden_findings_open", "Findings of validation that wait for somebody", ["rule", "severity"], registry=registry
        )
        self.too_late = Counter(
            "meterwarden_settlement_too_late_total",
            "Channels of a round with marks before the raw readings that are kept: stored, not settled",
            registry=registry,
        )
        self.storage_overdue = Gauge(
            "meterwarden_storage_overdue_seconds",
            "For how long the oldest chunk has been due for `meterwarden storage`, by work; shown by whoever settles",
            ["work"],
            registry=registry,
        )
        self.quota_published = Counter("meterwarden_quota_states_published_total", "Quota states sent", registry=registry)
        self.conditions = Conditions(
            broker=self.connected.__bool__, database=self.database_up.__bool__, migrations=self.migrated.__bool__
        )
        self.standings = StandingsCollector()

        # devices, shown by whoever settles, for institutions that miss one
        place = ["institution", "region"]
        self.meters_expected = Gauge("meterwarden_meters_expected", "Registered meters, chargers apart", place, registry=registry)
        self.meters_silent = Gauge(
            "meterwarden_meters_silent", "Of these: no reading for 6 hours or three intervals", place, registry=registry
        )
        self.gateways_offline = Gauge(
            "meterwarden_gateways_offline", "Gateways whose newest connection has ended", place, registry=registry
        )
        registry.register(self.standings)
        self._show_zeros()

    def _show_zeros(self) -> None:
        """Make every labelled series visible before its first event."""
        for outcome in OUTCOMES:
            self.messages.labels(outcome)
        for outcome in READING_OUTCOMES:
            self.readings.labels(outcome)
        for reason in Reason:
            self.rejected.labels(reason)
            self.quarantined.labels(reason)
        for state in ("open", "resolved"):
            self.purged.labels(state)
        for kind in ("unavailable", "refused"):
            self.write_failures.labels(kind)
        for outcome in STATE_OUTCOMES:
            self.states.labels(outcome)
        for result in ("done", "failed"):
            self.rounds.labels(result)
        self.show_findings({})

    def show_findings(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Open findings by rule and severity; what has none stands at zero."""
        for name, rule in RULES.items():
            for severity in rule.severities:
                self.findings.labels(name, severity).set(counts.get((name, severity), 0))

    def show_devices(self, places: Iterable[tuple[str, str, int, int, int]]) -> None:
        """By institution and region: meters, silent meters, gateways offline. Institutions not named show nothing."""
        gauges = (self.meters_expected, self.meters_silent, self.gateways_offline)
        for gauge in gauges:
            gauge.clear()
        for institution, region, *counts in places:
            for gauge, count in zip(gauges, counts, strict=True):
                gauge.labels(institution, region).set(count)
