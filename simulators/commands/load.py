"""`simulate load`: as many readings as the broker takes, and how fast it took them."""

import asyncio
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click

from schemas.registers import Medium
from simulators import elsewhere
from simulators.commands.broker import broker_options
from simulators.commands.options import Clock, option
from simulators.elsewhere import Installed
from simulators.frames import MOST_IDENTIFIERS
from simulators.load import GATEWAY, INSTITUTION, REGISTER_DIGITS, Load, Measured, generate, meter_code
from simulators.progress import Progress
from simulators.session import Broker, PublishError
from simulators.words import say

MOST_READINGS: Final = 2_500
"""So many fit into the 256 KiB that intake takes as one message."""
MOST_METERS: Final = 999_999
LONGEST: Final = timedelta(days=40)
"""Readings end now, one a meter and second; further back intake would refuse them."""
NEAR_CEILING: Final = 0.8


@click.command()
@option("--messages", type=click.IntRange(1), default=200_000, help="how many messages")
@option("--readings-each", type=click.IntRange(1, MOST_READINGS), default=1, help="1: a meter's topic; more: a gateway's batch")
@option("--meters", type=click.IntRange(1, MOST_METERS), default=20_000, help="how many meters, of institution LOAD")
@option("--connections", type=click.IntRange(1, 1_000), default=2, help="connections, each a client identifier of its own")
@option("--window", type=click.IntRange(1, MOST_IDENTIFIERS), default=2_000, help="most unacknowledged publishes a connection")
@option("--rate", type=click.FloatRange(0), default=0.0, help="messages a second over all; 0: as fast as possible")
@click.option("--registry", type=click.Path(file_okay=False, path_type=Path), help="only write the meters' registry files there")
@broker_options
@click.pass_context
def load(
    context: click.Context, /, messages: int, readings_each: int, meters: int, registry: Path | None, broker: Broker, **options: Any
) -> None:
    """Publish readings as fast as the broker takes them; say how fast that was, and what this generator could do at most.

    The readings are distinct, one a meter and second, and end now. The meters must be registered: --registry writes their files.
    """
    if registry is not None:
        _write_registry(registry, meters)
        return
    now = (context.find_object(Clock) or Clock()).now().replace(microsecond=0)
    duration = Load(messages, readings_each, meters, now).duration()
    if duration > LONGEST:
        text = f"{duration.days:,} days of readings, one a meter and second, reach further back than intake accepts"
        raise click.UsageError(f"{text}; give more --meters or fewer --messages")
    progress = Progress(messages, sys.stderr, time.monotonic)
    try:
        measured = asyncio.run(generate(Load(messages, readings_each, meters, now - duration), broker, say=progress, **options))
    except PublishError as error:
        raise click.ClickException(str(error)) from error
    progress.finish(messages)
    _tell(measured, readings_each, paced=bool(options["rate"]))


def _write_registry(directory: Path, meters: int) -> None:
    of = Installed(INSTITUTION, Medium.ELECTRICITY, GATEWAY, "sub", REGISTER_DIGITS, 2, 1, "2020-01-01", "Asia/Shanghai")
    try:
        elsewhere.write(of, map(meter_code, range(1, meters + 1)), directory)
    except OSError as error:
        raise click.ClickException(f"cannot write to {directory}: {error.strerror}; choose another directory") from error
    say(f"registry of {meters:,} meters of institution {INSTITUTION} in {directory}")
    say(f"next: meterwarden registry import {directory}, then the same command without --registry")


def _tell(measured: Measured, readings_each: int, *, paced: bool) -> None:
    rate, ceiling = measured.messages_per_second, measured.ceiling_per_second
    readings = f", {rate * readings_each:,.0f} readings/s" if readings_each > 1 else ""
    acknowledged = f"{measured.messages:,} messages acknowledged in {measured.seconds:.1f} s: {rate:,.0f}/s"
    say(acknowledged + readings)
    say(f"write to PUBACK: p50 {measured.puback_p50_ms:.2f} ms, p99 {measured.puback_p99_ms:.2f} ms")
    if paced:  # most of its time went into waiting
        return
    say(f"this generator's own ceiling: {ceiling:,.0f} messages/s ({1e6 / ceiling:.1f} us of CPU each)")
    if rate > NEAR_CEILING * ceiling:
        say("it was near its ceiling: the broker may take more; run a second generator beside it")
