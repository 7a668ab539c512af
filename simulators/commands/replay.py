"""`replay`: real series from a file, published as meters would."""

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from schemas.registers import Medium
from simulators import elsewhere, publisher
from simulators.commands.broker import broker_options
from simulators.commands.options import Clock
from simulators.commands.replay_options import FACTORS, STEPS, file_options, meaning_options
from simulators.elsewhere import Installed
from simulators.layout import Told, layout_of
from simulators.progress import Progress
from simulators.publisher import Pace
from simulators.replay import Replay, Survey, Values, messages, readings, survey
from simulators.samples import Layout, Mistakes, Sample, samples
from simulators.series import Series, SeriesFault
from simulators.session import Broker, PublishError
from simulators.stamps import Stamp, stamps
from simulators.words import say

ACCEPTED_BACK: Final = timedelta(days=45)
"""How far back intake accepts readings unless it is set otherwise."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A file, understood and read once."""

    series: Series
    layout: Layout
    stamp: Stamp
    mistakes: Mistakes
    survey: Survey

    @classmethod
    def of(cls, path: Path, options: dict[str, Any]) -> "Recording":
        """Raises SeriesFault with the first mistake, unless such lines are to be skipped."""
        series = Series(path, options["delimiter"], options["encoding"], options["limit"])
        told = Told(options["time_column"], options["meter_column"], options["value_column"], options["meters"])
        layout, stamp = layout_of(series, told), stamps(options["timezone"], options["time_format"])
        mistakes = Mistakes(path, options["skip_bad_lines"])
        surveyed = survey(samples(series, layout, stamp, mistakes))
        if surveyed.samples == surveyed.missing:
            text = f"{path}: no number in it to replay; see --meter, --meter-column and --limit"
            raise SeriesFault("\n".join((text, *mistakes.first)))
        return cls(series, layout, stamp, mistakes, surveyed)

    def samples(self) -> Iterator[Sample]:
        """Read it once more."""
        again = Mistakes(self.series.path, self.mistakes.skip)
        return samples(self.series, self.layout, self.stamp, again)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@file_options
@meaning_options
@click.option("--speed", type=click.FloatRange(0), default=0.0, show_default=True, help="3600: an hour a second; 0: no waiting")
@click.option("--connections", type=click.IntRange(1, 64), default=4, show_default=True, help="connections to the broker")
@click.option("--registry", type=click.Path(file_okay=False, path_type=Path), help="only write the meters' registry files there")
@broker_options
@click.pass_context
def replay(context: click.Context, /, file: Path, registry: Path | None, broker: Broker, **options: Any) -> None:
    """Publish the series in FILE, CSV or Parquet, as meters would: see docs/replay.md.

    The whole file is read and checked before anything is published.
    """
    _consistent(options)
    now = (context.find_object(Clock) or Clock()).now()
    try:
        recording, of = Recording.of(file, options), _replay(options)
        _tell(recording, of)
        if registry is not None:
            _write_registry(recording.survey, of, registry, options)
        else:
            _publish(recording, _shifted(of, recording.survey, now, options), broker, now, options)
    except (SeriesFault, PublishError) as error:
        raise click.ClickException(str(error)) from error


def _consistent(options: dict[str, Any]) -> None:
    if (options["meter_column"] is None) != (options["value_column"] is None):
        raise click.UsageError("a long file has both: give --meter-column and --value-column")
    if options["unit"] is not None and options["unit"] not in FACTORS[Medium(options["medium"])]:
        fitting = " or ".join(FACTORS[Medium(options["medium"])])
        raise click.UsageError(f"{options['unit']} is no unit of {options['medium']}; give --unit {fitting}, or another --medium")
    if len(options["delimiter"]) != 1:
        raise click.UsageError("--delimiter is one character; for a tab, in bash: --delimiter $'\\t'")


def _replay(options: dict[str, Any]) -> Replay:
    factors = FACTORS[Medium(options["medium"])]
    return Replay(
        institution=options["institution"],
        medium=Medium(options["medium"]),
        gateway=options["gateway"],
        values=Values(options["values"]),
        factor=factors[options["unit"] or next(iter(factors))],
        start_register=options["start_register"],
        decimals=options["decimals"],
        readings_each=options["readings_each"],
        one_instant=options["speed"] > 0,
    )


def _tell(recording: Recording, of: Replay) -> None:
    found, mistakes = recording.survey, recording.mistakes
    ends = f"{found.first(of.values):%Y-%m-%d %H:%M} to {found.last(of.values):%Y-%m-%d %H:%M} UTC"
    say(f"{found.samples:,} values of {len(found.spans):,} meters, readings from {ends}")
    if found.missing:
        say(f"{found.missing:,} values are missing and skipped")
    if mistakes.count:
        say("\n".join((f"{mistakes.count:,} mistakes skipped, such as", *mistakes.first)))


def _shifted(of: Replay, found: Survey, now: datetime, options: dict[str, Any]) -> Replay:
    """All readings later or earlier by the same whole steps: the last one is now, or less than a step ago."""
    if not options["shift_to_now"]:
        return of
    step = STEPS[options["shift_step"]]
    shift = (now - found.last(of.values)) // step * step
    say(f"all times shifted by {shift}: the last reading is at {found.last(of.values) + shift:%Y-%m-%d %H:%M} UTC")
    return replace(of, shift=shift)


def _publish(recording: Recording, of: Replay, broker: Broker, now: datetime, options: dict[str, Any]) -> None:
    if now - recording.survey.first(of.values) - of.shift > ACCEPTED_BACK:
        say(
            f"note: intake accepts readings {ACCEPTED_BACK.days} days back unless METERWARDEN_INTAKE__ACCEPT_DAYS_BACK says more;"
            " see --shift-to-now and --limit"
        )
    progress = Progress(_expected(recording.survey, of), sys.stderr, time.monotonic)
    sent = messages(readings(recording.samples(), of, recording.survey), of)
    pace = Pace(connections=options["connections"], speed=options["speed"])
    published = asyncio.run(publisher.publish(sent, broker, f"replay-{os.getpid()}", pace, progress))
    progress.finish(published.messages)
    say(f"{published.messages:,} messages acknowledged in {published.seconds:.1f} s: {published.messages_per_second:,.0f}/s")


def _expected(found: Survey, of: Replay) -> int:
    """About how many messages will be sent."""
    shown = found.samples - found.missing + (len(found.spans) if of.values is not Values.REGISTER else 0)
    if of.gateway is None:
        return shown
    each = min(of.readings_each, len(found.spans)) if of.one_instant else of.readings_each
    return -(-shown // each)


def _write_registry(found: Survey, of: Replay, directory: Path, options: dict[str, Any]) -> None:
    zone = options["timezone"].key if options["timezone"] else "UTC"
    minutes = max(1, round(found.interval / timedelta(minutes=1)))
    valid_from = (found.first(of.values) - timedelta(days=1)).date().isoformat()
    role = "sub" if of.medium is Medium.CHARGER and options["role"] is None else options["role"] or "main"
    installed = Installed(of.institution, of.medium, of.gateway, role, None, of.decimals, minutes, valid_from, zone)
    try:
        elsewhere.write(installed, sorted(found.spans), directory)
    except OSError as error:
        raise click.ClickException(f"cannot write to {directory}: {error.strerror}; choose another directory") from error
    say(f"registry of {len(found.spans):,} meters of institution {of.institution} in {directory}")
    say(f"next: meterwarden registry import {directory}, then the same command without --registry")
