"""`simulate publish`: a month of readings to the broker, and the ledger of what must come of it."""

import asyncio
import gc
import heapq
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Any

import click

from simulators import charging, faults, fleet, ledger, publisher, scenario, stream
from simulators import run as runs
from simulators.commands.options import RATE, Command, fleet_options, option, password_in
from simulators.faults import Rates
from simulators.messages import Message
from simulators.month import Month
from simulators.progress import Progress
from simulators.publisher import Pace, Published
from simulators.run import Run
from simulators.scenario import Scenario, ScenarioFault
from simulators.session import Broker, PublishError
from simulators.words import say

HELP = {
    "drop": "share of messages that never leave",
    "duplicates": "share of messages published twice",
    "late": "share of messages held back 1 to 48 hours",
    "reorder": "share of messages that let later ones pass by",
    "retained": "share of messages with the retain flag",
    "malformed": "malformed messages on top, for each good one",
    "garbage": "messages of meaningless bytes on top",
    "identity_mismatch": "messages with a false name on top",
    "conflict": "messages with another value on top",
    "clock_skew": "share of devices whose clock is off",
}
"""Rates of the scenario that have an option; the others are a scenario's alone."""


def rate_options(command: Command) -> Command:
    """An option a rate."""
    for name, text in reversed(HELP.items()):
        command = option("--" + name.replace("_", "-"), type=RATE, help=f"{text}; default: the scenario's")(command)
    return command


@click.command()
@fleet_options
@option("--ledger", "ledger_path", type=click.Path(dir_okay=False, path_type=Path), help="new SQLite file")
@option(
    "--scenario",
    "scenario_name",
    metavar="NAME|FILE",
    default=scenario.DEFAULT,
    help=f"{', '.join(scenario.shipped())}, or a TOML file",
)
@option("--days", type=click.IntRange(1, 31), help="only the month's first days")
@option("--host", default="127.0.0.1", help="the broker")
@option("--port", type=click.IntRange(1, 65535), default=1883, help="its port")
@option("--username", help="user at the broker")
@option("--password-file", type=click.Path(path_type=Path), help="file that holds the password")
@rate_options
@option("--speed", type=click.FloatRange(0), default=0.0, help="simulated over real time; 0: as fast as possible")
@option("--connections", type=click.IntRange(1, 64), default=4, help="connections to the broker")
@click.option("--dry-run", is_flag=True, help="publish nothing: how fast is the stream, with --ledger or without")
def publish(institutions: int, seed: int, month: Month, ledger_path: Path | None, **options: Any) -> None:
    """Publish a month of readings, with faults, and note in the ledger what the database must hold afterwards."""
    run = runs.build(fleet.build(institutions, seed, month), _scenario(options), options["days"])
    with _seldom_collected():
        _run(run, ledger_path, options)


def _run(run: Run, ledger_path: Path | None, options: dict[str, Any]) -> None:
    if options["dry_run"]:
        _dry_run(run, ledger_path)
        return
    if ledger_path is None:
        raise click.UsageError("--ledger is missing: without it nobody can tell what the database must hold (only --dry-run can)")
    broker = Broker(options["host"], options["port"], options["username"], password_in(options["password_file"]))
    pace = Pace(connections=options["connections"], speed=options["speed"])
    published = _with_ledger(run, ledger_path, lambda messages: _publish(run, messages, broker, pace))
    say(f"{published.messages:,} messages acknowledged in {published.seconds:.1f} s: {published.messages_per_second:,.0f}/s")


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """The stream makes millions of tuples and no cycles; looking for cycles took 40 % of its time."""
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(200_000, 50, 1_000)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def _scenario(options: dict[str, Any]) -> Scenario:
    try:
        return scenario.load(options["scenario_name"]).with_rates(**{name: options[name] for name in HELP})
    except ScenarioFault as fault:
        raise click.BadParameter(str(fault), param_hint="--scenario") from fault


def _with_ledger(run: Run, path: Path, work: Callable[[Iterable[Message]], Published]) -> Published:
    """Do the work on the stream as it is noted; an error says what to do with the ledger."""
    try:
        with ledger.create(path) as book:
            book.describe(_description(run))
            book.know(run)
            published = work(book.recorded(_stream(run)))
            book.describe({"complete": "yes"})
            return published
    except FileExistsError as error:
        raise click.ClickException(f"{path} exists; delete it or name a new file with --ledger") from error
    except FileNotFoundError as error:
        raise click.ClickException(f"no directory {path.parent}; make it, or choose another --ledger") from error
    except (PublishError, OSError, sqlite3.Error) as error:
        text = f"{error}\nThe ledger {path} is incomplete: delete it, and publish again with the same seed."
        raise click.ClickException(text) from error


def _description(run: Run) -> dict[str, object]:
    of = run.scenario
    return {
        "seed": run.fleet.seed,
        "institutions": len(run.fleet.institutions),
        "month": run.fleet.month,
        "scenario": of.name,
        "outages": of.outages,
        **{f"rate {each.name}": getattr(of.rates, each.name) for each in fields(Rates)},
    }


def _stream(run: Run) -> Iterable[Message]:
    sent = heapq.merge(stream.messages(run), charging.messages(run), key=attrgetter("send_at_s"))
    return faults.inject(sent, run.scenario.rates, run.fleet.seed, run.fleet.codes)


def _publish(run: Run, messages: Iterable[Message], broker: Broker, pace: Pace) -> Published:
    rates = run.scenario.rates
    more = rates.duplicates + rates.malformed + rates.garbage + rates.identity_mismatch + rates.conflict - rates.drop
    progress = Progress(round(stream.count(run) * (1 + more)), sys.stderr, time.monotonic)
    published = asyncio.run(publisher.publish(messages, broker, f"simulator-{os.getpid()}", pace, progress))
    progress.finish(published.messages)
    return published


def _dry_run(run: Run, ledger_path: Path | None) -> None:
    """Run the stream to its end, and say how fast it came."""
    readings = 0

    def counted(messages: Iterable[Message]) -> Published:
        nonlocal readings
        started, published = time.perf_counter(), 0
        for message in messages:
            published += 1
            readings += len(message.readings)
        return Published(published, time.perf_counter() - started)

    done = _with_ledger(run, ledger_path, counted) if ledger_path else counted(_stream(run))
    rate = readings / max(done.seconds, 1e-9)
    say(f"dry run: {done.messages:,} messages with {readings:,} readings in {done.seconds:.2f} s: {rate:,.0f} readings/s")
