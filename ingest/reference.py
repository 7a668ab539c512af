"""docs/reference.md, generated: `python -m ingest.reference > docs/reference.md`; a test holds the file against the code."""

from collections.abc import Iterator
from types import NoneType
from typing import Any, get_args

import click
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, SecretStr

from ingest.cli import main
from ingest.commands.help import leaves
from ingest.errors import STAGE_OF, Reason, Stage
from ingest.metrics import Metrics
from ingest.settings import Settings
from ingest.storage import meanings, views
from ingest.words import speaking
from schemas import fields, topics
from schemas.publish import PUBLISHED
from schemas.quota import Level, QuotaAlert
from schemas.registers import REGISTERS


def text() -> str:
    """The whole page, in English."""
    with speaking("en"):
        return _text()


def _text() -> str:
    lines = ["# Reference", "", "Generated from the code by `python -m ingest.reference`.", ""]
    for title, part in (("Settings", _settings()), ("Topics", _topics()), ("Registers", _registers()), ("Payloads", _payloads()),
                        ("Reasons for rejection", _reasons()), ("Views", _views()), ("Metrics", _metrics()),
                        ("Commands", _commands())):  # fmt: skip
        lines += [f"## {title}", "", *part, ""]
    return "\n".join(lines)


def _settings() -> Iterator[str]:
    yield "Environment variables; `__` separates the parts, lists are JSON. Secrets come from files (`..._FILE`)."
    for name, field in Settings.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            yield from (
                "",
                f"**{name}**: {(group.__doc__ or '').strip()}",
                "",
                "| variable | type | default | |",
                "|---|---|---|---|",
            )
            for inner, detail in group.model_fields.items():
                yield _row(f"METERWARDEN_{name}__{inner}".upper(), detail)
    yield from ("", "| variable | type | default | |", "|---|---|---|---|")
    yield _row("METERWARDEN_SHUTDOWN_GRACE_SECONDS", Settings.model_fields["shutdown_grace_seconds"])


def _row(name: str, field: Any) -> str:
    default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    shown = "" if default is None else f"`{default}`"
    return f"| `{name}` | {_type(field.annotation)} | {shown} | {(field.description or '').replace(chr(10), ' ')} |"


def _type(annotation: Any) -> str:
    names = [part.__name__ for part in get_args(annotation) if isinstance(part, type) and part is not NoneType]
    if isinstance(annotation, type) and not names:
        names = [annotation.__name__]
    return " or ".join("text" if name in ("str", "SecretStr") else name.lower() for name in names)


def _topics() -> Iterator[str]:
    yield from ("| topic | what |", "|---|---|")
    yield f"| `{topics.meter_reading('{institution}', '{medium}', '{meter}')}` | a meter's readings, one or a batch |"
    yield f"| `{topics.gateway_readings('{institution}', '{gateway}')}` | a gateway's batch: each reading names medium and meter |"
    yield f"| `{topics.charger_session('{institution}', '{charger}')}` | a charging session, at its start and at its end |"
    yield f"| `{topics.charger_status('{institution}', '{charger}')}` | the states of a charger's connectors, retained |"
    yield f"| `{topics.gateway_status('{institution}', '{gateway}')}` | a gateway's birth and will, retained |"
    quota = "published by Meterwarden, retained: the most serious quota state; empty where none stands any more"
    yield f"| `{topics.quota('{institution}', '{indicator}')}` | {quota} |"
    yield from (
        "",
        f"Intake subscribes (workers of a group: shared) to {', '.join(f'`{name}`' for name in topics.INTAKE_FILTERS)}.",
        f"Whoever settles subscribes, plainly, to {', '.join(f'`{name}`' for name in topics.STATUS_FILTERS)}.",
    )


def _registers() -> Iterator[str]:
    yield from ("| register | unit | kind |", "|---|---|---|")
    yield from (f"| `{register.name}` | {register.unit} | {register.kind} |" for register in REGISTERS.values())


def _payloads() -> Iterator[str]:
    yield fields.WORDS
    published = {model.__name__: name for name, model in PUBLISHED.items()}
    for name, model in PUBLISHED.items():
        yield from ("", f"### {name}", "", f"[`{name}.schema.json`](../schemas/{name}.schema.json)")
        for part in fields.parts(model, published):
            yield from ("", f"{'' if part.title in published else f'`{part.title}`: '}{part.description}", "")
            yield from ("| field | what | required | |", "|---|---|---|---|")
            yield from (
                f"| `{one.name}` | {one.what} | {'yes' if one.required else ''} | {one.description} |" for one in part.fields
            )


def _reasons() -> Iterator[str]:
    yield from ("| reason | stage |", "|---|---|")
    yield from (f"| `{reason}` | {STAGE_OF.get(reason, Stage.DECODE)} |" for reason in Reason)


def _views() -> Iterator[str]:
    yield "Schema `meterwarden`, for role `meterwarden_reader`: what others may rely on. Tables behind it change with the versions."
    for line in views.kept():
        if line.column:
            yield f"| `{line.column}` | {line.type} | {line.comment or meanings.meaning(line.view, line.column)} |"
        else:
            yield from ("", f"### meterwarden.{line.view}", "", line.comment or meanings.VIEWS[line.view], "")
            yield from ("| column | type | |", "|---|---|---|")


def _metrics() -> Iterator[str]:
    yield from ("| metric | type | labels | |", "|---|---|---|---|")
    metrics = Metrics(CollectorRegistry())
    metrics.standings.show({_STANDING.institution: [_STANDING]})
    metrics.show_devices([("I1", "R1", 2, 1, 0)])
    for of_broker in (metrics.broker_dropped, metrics.broker_stored, metrics.broker_clients):
        of_broker.labels("127.0.0.1:1883")
    metrics.certificate_expiry.labels("broker_ca")
    metrics.storage_overdue.labels("columnstore")
    for family in sorted(metrics.registry.collect(), key=lambda family: family.name):
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le", "version"})
        suffix = "_total" if family.type == "counter" else ""
        yield f"| `{family.name}{suffix}` | {family.type} | {', '.join(labels)} | {family.documentation} |"


def _commands() -> Iterator[str]:
    yield "Every one has `--help` with its options and an example; docs/cli.md has exit statuses, languages and completion."
    yield from ("", "| command | |", "|---|---|")
    for path, command in leaves(main, "", click.Context(main)):
        yield f"| `meterwarden {path}` | {command.short_help} |"


_STANDING = QuotaAlert(
    institution="I1", indicator="electricity_per_area", period_kind="month", period_start="2026-10-01", closed=True,
    as_of="2026-10-31", level=Level.EXCEEDED, used=2, allowance=1, used_ratio=2, projected_ratio=2, unit="kWh/m2", denominator=1,
    standard=None, edition=None, sample=True, measured_share=1, estimated_share=0, missing_share=0, missing=[],
)  # fmt: skip
"""Stands in for an institution, so that the quota series show their labels."""


if __name__ == "__main__":
    print(text(), end="")
