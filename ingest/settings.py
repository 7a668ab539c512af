"""Every setting, frozen and checked before anything starts.

Read from the environment: METERWARDEN_ before the name, `__` between the parts, for example METERWARDEN_BROKER__HOST. Secrets come
from files (`..._FILE`), so that they appear in no process list. A wrong setting ends the process with its name and what is allowed.
"""

import difflib
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ingest.metering.calendar import HOUR_US
from ingest.metering.channel import SECOND_GAP_LIMIT_US
from schemas.topics import INTAKE_FILTERS

DAY_SECONDS = 86_400
SECOND_GAP_LIMIT_DAYS = SECOND_GAP_LIMIT_US // (24 * HOUR_US)
MIB = 1024 * 1024

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Part(BaseModel):
    """Base of every group of settings: frozen, no unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class BrokerSettings(Part):
    """The MQTT 5 broker that the meters publish to."""

    host: str = "127.0.0.1"
    """A name or an address, no URL."""
    port: Port = 1883
    username: str | None = None
    password_file: Path | None = None
    client_identifier: Annotated[str, Field(min_length=1, max_length=64)] = "meterwarden-0"
    """Stable per worker (an ordinal, never a pod name): the broker keeps the session under it."""
    share_group: Annotated[str, Field(pattern=r"^[^/+#]*$")] = ""
    """Workers that share the load name one group; empty: a lone worker, subscribed plainly (docs/adr/0006)."""
    filters: tuple[str, ...] = INTAKE_FILTERS
    keepalive_seconds: Annotated[int, Field(ge=5, le=3600)] = 30
    session_expiry_seconds: Annotated[int, Field(ge=3600, le=2**32 - 2)] = 14 * DAY_SECONDS
    receive_maximum: Annotated[int, Field(ge=1, le=65535)] = 20_000
    connect_timeout_seconds: Seconds = 10
    taken_over_seconds: Seconds = 30
    """How long to leave the session to another client that has taken it, before it is asked for again."""
    tls_ca_file: Path | None = None
    """The authorities that may have signed the broker's certificate. Set: TLS. Not set: in the clear."""
    tls_certificate_file: Path | None = None
    """Our certificate, for a broker that asks for one (mutual TLS)."""
    tls_key_file: Path | None = None
    """Its key, where that is not in the same file."""

    @model_validator(mode="after")
    def a_certificate_means_tls(self) -> Self:
        """Whoever names a certificate expects TLS, and must not connect in the clear."""
        _require_tls(self)
        return self

    @field_validator("host")
    @classmethod
    def a_host_is_no_url(cls, host: str) -> str:
        """A password in it would stand in every error and in the log."""
        if re.search(r"[\s/@?#]", host) or host.count(":") == 1:  # an address of version 6 has more
            raise ValueError("must be a host name or address alone; port, user and password file have settings of their own")
        return host


class DatabaseSettings(Part):
    """TimescaleDB, as the writer."""

    url: SecretStr = SecretStr("postgresql://meterwarden_writer@127.0.0.1/meterwarden")
    password_file: Path | None = None
    connect_timeout_seconds: Annotated[int, Field(ge=2, le=60)] = 5
    statement_timeout_seconds: Annotated[int, Field(ge=2)] = 60
    tls_ca_file: Path | None = None
    """The authorities that may have signed the server's certificate. Set: TLS and nothing else, and the host must be named in it
    (libpq's sslmode=verify-full). Not set: as the URL says."""
    tls_certificate_file: Path | None = None
    """Our certificate, for a server that asks for one (mutual TLS)."""
    tls_key_file: Path | None = None
    """Its key, where that is not in the same file; readable by its owner only."""

    @model_validator(mode="after")
    def a_certificate_means_tls(self) -> Self:
        """Whoever names a certificate expects TLS, and must not connect in the clear."""
        _require_tls(self)
        return self


def _require_tls(part: BrokerSettings | DatabaseSettings) -> None:
    """Raises ValueError where a certificate or a key is named without what goes with it."""
    if part.tls_ca_file is None and (part.tls_certificate_file or part.tls_key_file):
        raise ValueError("tls_certificate_file and tls_key_file need tls_ca_file, or the connection is made without TLS")
    if part.tls_certificate_file is None and part.tls_key_file:
        raise ValueError("tls_key_file needs tls_certificate_file")


class BatchSettings(Part):
    """When a batch is full, or old enough, to be written."""

    messages: Annotated[int, Field(ge=1, le=65535)] = 5_000
    bytes: Annotated[int, Field(ge=1024)] = 4 * MIB
    age_seconds: Seconds = 0.1
    uncommitted_bytes: Annotated[int, Field(ge=1024)] = 16 * MIB
    """Above this much undecided payload the session stops reading its socket."""

    @model_validator(mode="after")
    def a_batch_may_be_uncommitted(self) -> Self:
        """Reading must not stop before a batch is full."""
        if self.uncommitted_bytes < self.bytes:
            raise ValueError("uncommitted_bytes must not lie below bytes, or a batch never fills")
        return self


class IntakeSettings(Part):
    """What intake accepts."""

    accept_days_back: Annotated[float, Field(gt=0, le=3650)] = 45
    accept_minutes_ahead: Annotated[float, Field(ge=0, le=3650 * 1440)] = 10
    max_payload_bytes: Annotated[int, Field(ge=256)] = 256 * 1024
    registry_seconds: Seconds = 30
    """At least so often the registry's version is compared; a change is also announced by the database."""
    replay_seconds: Seconds = 10
    """How often quarantined messages of unknown meters are held against the registry."""

    @property
    def back_us(self) -> int:
        """How far back a reading may lie, in microseconds."""
        return round(self.accept_days_back * 24 * HOUR_US)

    @property
    def ahead_us(self) -> int:
        """How far ahead a reading may lie, in microseconds."""
        return round(self.accept_minutes_ahead * HOUR_US / 60)


class SettlementSettings(Part):
    """The settler."""

    enabled: bool = True
    round_seconds: Seconds = 2
    """Pause between rounds while there is nothing to settle."""
    channel_hours: Annotated[int, Field(ge=1)] = 50_000
    """Most channel-hours one round takes."""
    finding_days: Annotated[int, Field(ge=1)] = 50_000
    """Most channel-days that one round of validation looks at."""


class QuotaSettings(Part):
    """Levels below "exceeded"."""

    warning_ratio: Annotated[float, Field(gt=0, lt=1)] = 0.8
    completeness: Annotated[float, Field(gt=0, le=1)] = 0.8
    projection_days: Annotated[int, Field(ge=1, le=366)] = 7
    exported_institutions: Annotated[int, Field(ge=0, le=10_000)] = 200
    """Most institutions with a series of their own in /metrics, those furthest above first."""


class CanarySettings(Part):
    """A meter of our own, published through the broker and read back from the database."""

    enabled: bool = True
    """Without it, readiness cannot see a broker that grants our subscription and denies us every message."""
    every_seconds: Seconds = 15
    within_seconds: Seconds = 60
    """Not ready when no canary was seen for so long."""

    @model_validator(mode="after")
    def several_may_come_in_time(self) -> Self:
        """One canary delayed must not take readiness."""
        if self.within_seconds < 2 * self.every_seconds:
            raise ValueError("within_seconds must be at least twice every_seconds, or one late canary takes readiness")
        return self


class QuarantineSettings(Part):
    """How much rejected messages may take before the oldest are deleted: resolved ones first. Alerts come before."""

    max_age_days: Annotated[int, Field(ge=1, le=36_500)] = 400
    """Counted from arrival."""
    max_mib: Annotated[int, Field(ge=1)] = 4096
    """On disk, about: every message counts 500 bytes more than itself for its row and indexes."""
    warn_ratio: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """From this share of a cap on, MeterwardenQuarantineNearCap fires."""

    @property
    def max_bytes(self) -> int:
        """The cap on its size, in bytes."""
        return self.max_mib * MIB

    @property
    def max_age(self) -> timedelta:
        """The cap on its age."""
        return timedelta(days=self.max_age_days)


class StorageSettings(Part):
    """How `meterwarden storage` keeps what is stored: chunks, columnstore, retention. The service only watches that it is done."""

    columnstore: bool = True
    """Where TimescaleDB is the community edition: chunks of readings and of hours go into the columnstore."""
    columnstore_after_days: Annotated[int, Field(ge=1, le=36_500)] = 60
    """How long after its end a chunk goes there. Beyond intake.accept_days_back no reading comes for it any more."""
    raw_retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    """How long readings are kept. Not set: for ever. Whole chunks go, and only settled ones; what was derived from them stays."""
    reading_chunk_weeks: Annotated[int, Field(ge=1, le=52)] = 1
    """Length of the chunks of readings that are yet to be made."""


class HttpSettings(Part):
    """/metrics, /livez, /readyz."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 9464


class Settings(BaseSettings):
    """All settings of the service."""

    model_config = SettingsConfigDict(
        env_prefix="METERWARDEN_", env_nested_delimiter="__", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    broker: BrokerSettings = BrokerSettings()
    database: DatabaseSettings = DatabaseSettings()
    batch: BatchSettings = BatchSettings()
    intake: IntakeSettings = IntakeSettings()
    settlement: SettlementSettings = SettlementSettings()
    quota: QuotaSettings = QuotaSettings()
    canary: CanarySettings = CanarySettings()
    quarantine: QuarantineSettings = QuarantineSettings()
    storage: StorageSettings = StorageSettings()
    http: HttpSettings = HttpSettings()
    shutdown_grace_seconds: Seconds = 20

    @model_validator(mode="after")
    def receive_maximum_fills_two_batches(self) -> Self:
        """One batch is written while the next one fills."""
        if self.broker.receive_maximum < 2 * self.batch.messages:
            raise ValueError(
                f"broker.receive_maximum ({self.broker.receive_maximum}) must be at least twice batch.messages "
                f"({self.batch.messages}), or a batch never fills while another is written"
            )
        return self

    @model_validator(mode="after")
    def what_may_still_come_is_kept(self) -> Self:
        """A repeated reading is recognised, and a late one settled, only where the others are still there."""
        kept, least = self.storage.raw_retention_days, self.intake.accept_days_back + SECOND_GAP_LIMIT_DAYS
        if kept is not None and kept < least:
            raise ValueError(
                f"storage.raw_retention_days ({kept}) must be at least intake.accept_days_back and {SECOND_GAP_LIMIT_DAYS} days "
                f"({least:g}), or a repeated reading is stored again"
            )
        return self


def unknown_names(environment: Mapping[str, str]) -> list[str]:
    """One line a METERWARDEN_ variable that names no setting, with what may have been meant.

    Names without `__` belong to other parts of the project too (the embedded stack, the simulator): only near misses are named.
    """
    lines = []
    with_one = _with_one_underscore()
    for name, text in sorted(environment.items()):
        group, nested, _ = name.upper().removeprefix("METERWARDEN_").lower().partition("__")
        if not name.upper().startswith("METERWARDEN_") or group in Settings.model_fields:
            continue
        close = difflib.get_close_matches(group, Settings.model_fields, n=1, cutoff=0.6 if nested else 0.85)
        meant = f"METERWARDEN_{close[0].upper()}{nested}" if close else ""
        if not text.startswith(("tcp://", "udp://")):  # as Kubernetes sets it for a service called meterwarden-broker
            meant = with_one.get(name.upper(), meant)
        if nested or meant:
            lines.append(f"{name}: there is no such setting{f'; did you mean {meant}?' if meant else ''}")
    return lines


def _with_one_underscore() -> dict[str, str]:
    """Every setting of a part by the name that is written most often by mistake: METERWARDEN_BROKER_HOST."""
    parts = {part: field.annotation for part, field in Settings.model_fields.items()}
    names = [f"METERWARDEN_{part}__{name}".upper() for part, model in parts.items()
             if isinstance(model, type) and issubclass(model, BaseModel) for name in model.model_fields]  # fmt: skip
    return {name.replace("__", "_"): name for name in names}


def no_json(environment: Mapping[str, str]) -> list[str]:
    """One line a METERWARDEN_ variable that holds plain text where a list or a group of settings is wanted."""
    lines = []
    for name in sorted(environment):
        group, _, inner = name.upper().removeprefix("METERWARDEN_").lower().partition("__")
        field = Settings.model_fields.get(group) if name.upper().startswith("METERWARDEN_") else None
        if field is not None and group != "shutdown_grace_seconds" and inner in ("", "filters"):
            example = '["a", "b"]' if inner else f"METERWARDEN_{group.upper()}__..., one variable each"
            lines.append(f"{name}: write it as {example}")
    return lines


def wrong_settings(error: ValidationError) -> str:
    """One line a wrong setting: its environment name and what is allowed."""
    lines = []
    for detail in error.errors(include_url=False, include_input=False):
        name = "METERWARDEN_" + "__".join(str(part) for part in detail["loc"]).upper()
        message = detail["msg"].removeprefix("Value error, ")
        lines.append(f"{name.rstrip('_')}: {message}" if detail["loc"] else message)
    return "\n".join(lines)
