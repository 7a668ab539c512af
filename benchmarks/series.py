"""`python -m benchmarks.series`: what the rules of validation find in files of real series, without a broker or a database.

Every CSV or Parquet file is read as `meterwarden replay` reads it (one column a meter, the time first), settled by the service's
own fold, and judged on every whole local day. Nobody knows the truth of real series: the table counts findings, `--details` shows
each.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import click

from benchmarks.vee.registers import Key, Register, judged
from ingest.metering.calendar import Calendar, calendar, instant
from ingest.metering.vee.digest import Raw
from ingest.metering.vee.episodes import Finding
from schemas.registers import MAIN_REGISTER, Medium
from simulators.layout import Told, layout_of
from simulators.replay import Replay, Values, readings, survey
from simulators.samples import Mistakes, Sample, samples
from simulators.series import Series, SeriesFault
from simulators.stamps import stamps

STEP: Final = Decimal("0.001")
DELAY: Final = timedelta(seconds=30)
"""The files do not say when a reading was received."""
WIDE: Final = Decimal(10_000)
"""kW or m3/h: the files do not say what a meter can pass, so hardly anything is set aside before the rules see it."""
SUFFIXES: Final = (".csv", ".parquet")


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--medium", type=click.Choice([str(each) for each in Medium]), default="electricity", show_default=True)
@click.option("--values", type=click.Choice([str(each) for each in Values]), default="starting", show_default=True)
@click.option("--timezone", default="UTC", show_default=True, help="of times without an offset, and of the days that are judged")
@click.option("--details", is_flag=True, help="every finding with its evidence")
def main(paths: tuple[Path, ...], medium: str, values: str, timezone: str, *, details: bool) -> None:
    """Judge the series in files, or in all files of directories, and print what each rule finds in each file."""
    for path in _files(paths):
        try:
            registers = read(path, Medium(medium), Values(values), timezone)
        except SeriesFault as error:
            click.echo(f"{path.name}: left out: {str(error).splitlines()[0]}")
            continue
        _print(path, registers, _judged(registers, calendar(timezone)), details=details)


def _files(paths: Iterable[Path]) -> list[Path]:
    return [
        file
        for path in paths
        for file in (sorted(each for each in path.iterdir() if each.suffix in SUFFIXES) if path.is_dir() else [path])
    ]


def read(path: Path, medium: Medium, values: Values, timezone: str) -> dict[Key, Register]:
    """A file's columns as registers. Raises SeriesFault where it is no file of series."""
    series = Series(path)
    layout, stamp = layout_of(series, Told()), stamps(ZoneInfo(timezone), None)

    def again() -> Iterator[Sample]:
        return samples(series, layout, stamp, Mistakes(path, skip=False))

    found = survey(again())
    if found.samples == found.missing:
        raise SeriesFault(f"{path}: no number in it")
    registers: dict[Key, Register] = {}
    for meter, at, value in readings(again(), Replay("", medium, None, values), found):
        key = ("", str(medium), meter, MAIN_REGISTER[medium])
        if key not in registers:
            registers[key] = _register(key, int(found.interval.total_seconds()))
        registers[key].raw.append(Raw(instant(at), int(value / STEP), instant(at + DELAY)))
    return registers


def _register(key: Key, interval_s: int) -> Register:
    return Register(key, key[1], "main", "", 1000, 1, 10**15, WIDE, interval_s, exports=False, sub_item="")


def _judged(registers: Mapping[Key, Register], zone: Calendar) -> dict[Key, list[Finding]]:
    first = zone.day(min(register.raw[0].read_at for register in registers.values()))
    last = zone.day(max(register.raw[-1].read_at for register in registers.values())) - 1
    return judged(registers, first, last, zone)


def _print(path: Path, registers: Mapping[Key, Register], found: Mapping[Key, list[Finding]], *, details: bool) -> None:
    count = sum(len(register.raw) for register in registers.values())
    click.echo(f"\n{path.name}: {len(registers)} meters, {count:,} readings\n\n| rule | findings | meters |\n|---|---|---|")
    findings: Counter[str] = Counter()
    meters: defaultdict[str, set[str]] = defaultdict(set)
    for key, of in found.items():
        for one in of:
            findings[one.rule] += 1
            meters[one.rule].add(key[2])
    for rule in sorted(findings):
        click.echo(f"| {rule} | {findings[rule]} | {len(meters[rule])} |")
    for key, of in found.items() if details else ():
        for one in of:
            days = " to ".join(date.fromordinal(day).isoformat() for day in (one.from_day, one.to_day))
            click.echo(f"{key[2]} {one.rule} {days} {dict(one.evidence)}")


if __name__ == "__main__":
    main()
