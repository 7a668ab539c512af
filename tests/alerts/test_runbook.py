"""The runbook's metrics and settings exist: nobody should find out at night that they do not. Its queries: test_documents.py."""

import re
from pathlib import Path

from prometheus_client import CollectorRegistry
from pydantic import BaseModel

from ingest.alerts import rules
from ingest.metrics import Metrics
from ingest.settings import Settings
from tests.alerts.test_rules import OF_BACKUPS

RUNBOOK = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text(encoding="utf-8")


def environment(model: type[BaseModel], prefix: str) -> set[str]:
    """The environment names of all settings."""
    names = set()
    for name, field in model.model_fields.items():
        full = prefix + name.upper()
        nested = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        names |= environment(field.annotation, full + "__") if nested else {full}  # type: ignore[arg-type]
    return names


def test_every_metric_exists() -> None:
    """By its whole name; a pattern for grep stands for at least one metric with each of its alternatives."""
    registry = CollectorRegistry()
    Metrics(registry)
    exported = {sample.name for family in registry.collect() for sample in family.samples}
    exported |= {family.name for family in registry.collect() if family.type == "gauge"}  # some have no samples at first
    spread = re.findall(r"\^(meterwarden_\w*)\(([\w|]+)\)", RUNBOOK)
    patterns = {prefix + each for prefix, group in spread for each in group.split("|")}
    patterns |= set(re.findall(r"\^(meterwarden_\w+)'", RUNBOOK))
    recorded = set(re.findall(r"\b[a-z]+:meterwarden_\w+:\w+", RUNBOOK))
    assert recorded <= set(re.findall(r"- record: (\S+)", rules()))
    whole = set(re.findall(r"(?<![\^:])\b(meterwarden_(?!(?:reader|owner)\b)\w+)", RUNBOOK))
    assert patterns
    assert whole
    assert not {pattern for pattern in patterns if not any(name.startswith(pattern) for name in exported)}
    assert not whole - exported - OF_BACKUPS


def test_every_setting_exists() -> None:
    """Names as the environment has them."""
    named = set(re.findall(r"\bMETERWARDEN_\w+\b(?!…)", RUNBOOK))
    assert named
    assert named <= environment(Settings, "METERWARDEN_")


def test_what_other_sessions_wait_for_is_asked_as_superuser() -> None:
    """To the reader PostgreSQL shows no state and no wait of others: at night the query would find nothing, and mislead."""
    asked = [text for text in re.split(r"^```", RUNBOOK, flags=re.MULTILINE) if "pg_stat_activity" in text and "wait_event" in text]
    before = [RUNBOOK[: RUNBOOK.index(text)].rstrip("`").rstrip().rpartition("\n\n")[2] for text in asked]

    assert asked
    assert ["superuser" in paragraph for paragraph in before] == [True] * len(asked)
