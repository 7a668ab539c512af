"""Replay of real series: reading files and times, registers out of amounts, the messages, and every refusal's words."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from ingest.storage.registry_csv import read_files
from schemas.reading import ElectricityReading, GatewayBatch, utc
from schemas.registers import Medium
from simulators.commands.options import Clock
from simulators.commands.replay import replay
from simulators.layout import Told, layout_of
from simulators.replay import Replay, Values, messages, readings, survey
from simulators.samples import Mistakes, Sample, samples
from simulators.series import Series, SeriesFault
from simulators.stamps import stamps

START = datetime(2026, 10, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALL = Told()
NOW = Clock(lambda: datetime(2026, 10, 31, 12, 34, tzinfo=UTC))
SERIES = Path(__file__).parents[3] / "shared" / "series"
WIDE = "time,b0,b1\n2026-10-01T00:00Z,1.5,7\n2026-10-01T01:00Z,,7.25\n2026-10-01T02:00Z,2,NaN\n"
LONG = "when;meter;kWh\n2026-10-01T00:00Z;a;1\n2026-10-01T00:00Z;b;2\n2026-10-01T01:00Z;a;3\n"


def hourly(*amounts: str, meter: str = "m") -> list[Sample]:
    """Hour after hour; an empty amount is missing."""
    return [Sample(meter, START + n * HOUR, Decimal(amount) if amount else None) for n, amount in enumerate(amounts)]


def shown(values: Values, given_samples: Sequence[Sample], start: int = 100) -> list[tuple[float, int]]:
    """Hours since the start, and register."""
    of = Replay("R", Medium.ELECTRICITY, None, values, start_register=Decimal(start))
    found = readings(given_samples, of, survey(given_samples))
    return [((at - START) / HOUR, int(register)) for _, at, register in found]


def read(path: Path, told: Told = ALL, delimiter: str = ",", skip: bool = False, zone: str | None = None) -> list[Sample]:
    series = Series(path, delimiter)
    stamp = stamps(zone and ZoneInfo(zone), None)
    return list(samples(series, layout_of(series, told), stamp, Mistakes(path, skip)))


def written(directory: Path, text: str) -> Path:
    path = directory / "series.csv"
    path.write_text(text, encoding="utf-8")
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(replay, [str(each) for each in arguments], obj=NOW)


def test_amounts_of_starting_intervals_become_a_register() -> None:
    """The register shows what passed before its time; the last interval's end is read too."""
    assert shown(Values.STARTING, hourly("1", "2", "3")) == [(0, 100), (1, 101), (2, 103), (3, 106)]


def test_amounts_of_ending_intervals_become_a_register() -> None:
    """The first interval's beginning is read too."""
    assert shown(Values.ENDING, hourly("1", "2", "3")) == [(-1, 100), (0, 101), (1, 103), (2, 106)]


def test_register_values_are_replayed_as_they_are() -> None:
    """Falls included: a rollover or a meter exchange is what VEE is for."""
    assert shown(Values.REGISTER, hourly("8", "9", "", "0")) == [(0, 8), (1, 9), (3, 0)]


def test_nothing_is_claimed_where_a_missing_amount_ends() -> None:
    """Nobody knows what the register would have shown there."""
    assert shown(Values.STARTING, hourly("", "1", "", "3", "")) == [(1, 100), (2, 101), (4, 104)]
    assert shown(Values.ENDING, hourly("", "1", "", "3", "")) == [(0, 100), (1, 101), (3, 104)]


@given(st.lists(st.decimals(0, 10_000, places=5), min_size=2), st.sampled_from((Values.STARTING, Values.ENDING)), st.integers(0, 3))
def test_differences_are_the_amounts(amounts: list[Decimal], values: Values, decimals: int) -> None:
    """Added up exactly, whatever the display cuts off: every register lies less than a step below the true sum."""
    given_samples = hourly(*map(str, amounts))
    of = Replay("R", Medium.ELECTRICITY, None, values, factor=Decimal("0.001"), decimals=decimals)
    published = list(messages(readings(given_samples, of, survey(given_samples)), of))
    registers = [ElectricityReading.model_validate_json(message.payload).energy_import_kwh for message in published]
    sums = [sum(amounts[:n], Decimal(0)) / 1000 for n in range(len(amounts) + 1)]
    assert len(registers) == len(sums)
    assert all(
        0 <= exact - Decimal(str(register)) < Decimal(1).scaleb(-decimals) for register, exact in zip(registers, sums, strict=True)
    )


@pytest.mark.parametrize(("one_instant", "sizes"), [(True, [2, 2, 2]), (False, [5, 1])])
def test_a_gateway_publishes_many_meters_at_once(one_instant: bool, sizes: list[int]) -> None:
    """Full messages when nobody waits; never two instants in one where time passes."""
    both = [sample for pair in zip(hourly("1", "2"), hourly("5", "6", meter="n"), strict=True) for sample in pair]
    of = Replay("R", Medium.ELECTRICITY, "G1", Values.STARTING, readings_each=5, one_instant=one_instant, shift=timedelta(days=2))
    published = list(messages(readings(both, of, survey(both)), of))
    batches = [GatewayBatch.model_validate_json(message.payload) for message in published]
    assert [len(batch.readings) for batch in batches] == sizes
    assert {message.topic for message in published} == {"metering/R/gateway/G1/readings"}
    assert utc(batches[0].readings[0].read_at) == START + timedelta(days=2)
    assert published[-1].send_at_s == int((START + timedelta(days=2, hours=2)).timestamp())


def test_wide_files_have_a_column_a_meter(tmp_path: Path) -> None:
    """All of them, or those named; what is missing is None."""
    path = written(tmp_path, WIDE)
    assert [(each.meter, each.amount) for each in read(path)][:4] == [
        ("b0", Decimal("1.5")), ("b1", Decimal(7)), ("b0", None), ("b1", Decimal("7.25"))]  # fmt: skip
    assert {each.meter for each in read(path, Told(meters=("b1=E-1",)))} == {"E-1"}


def test_long_files_name_the_meter_in_every_line(tmp_path: Path) -> None:
    """Every meter's times rise by themselves."""
    told = Told("when", "meter", "kWh")
    path = written(tmp_path, LONG)
    assert [(each.meter, each.amount) for each in read(path, told, ";")] == [("a", 1), ("b", 2), ("a", 3)]
    only = Told("when", "meter", "kWh", ("a=E-1",))
    assert [(each.meter, each.amount) for each in read(path, only, ";")] == [("E-1", 1), ("E-1", 3)]


def test_parquet_gives_what_csv_gives(tmp_path: Path) -> None:
    """In several row groups, with times of its own type."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    times = pa.array([START + n * HOUR for n in range(3)], pa.timestamp("ns", "UTC"))
    table = pa.table({"time": times, "b0": [1.5, None, 2.0], "b1": [7.0, 7.25, float("nan")]})
    pq.write_table(table, tmp_path / "series.parquet", row_group_size=2)
    assert read(tmp_path / "series.parquet") == read(written(tmp_path, WIDE))


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library comes with an extra."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SeriesFault, match=r"pip install 'meterwarden\[simulator\]'"):
        Series(tmp_path / "x.parquet").columns()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("2026-10-01T01:00Z,abc", "'abc' of 'm' is no number"),
        ("2026-10-01T01:00Z,-0.5", "never counts backwards"),
        ("2026-10-01T01:00Z,sNaN", "must lie from 0"),
        ("2026-10-01T01:00Z,1e12", "must lie from 0"),
        ("2026-10-01T01:00Z,1,2", "not as many fields"),
        ("2026-10-01T00:00Z,1", "sort the file"),
        ("2026-10-01T01:00,1", "--timezone"),
    ],
)
def test_a_bad_line_is_named_or_skipped(tmp_path: Path, line: str, words: str) -> None:
    """The first one ends it, unless bad lines are to be left out."""
    path = written(tmp_path, f"time,m\n2026-10-01T00:00Z,1\n{line}\n2026-10-01T02:00Z,1\n")
    with pytest.raises(SeriesFault, match=f"series.csv:3: .*{words}"):
        read(path)
    assert [each.at for each in read(path, skip=True) if each.amount] == [START, START + 2 * HOUR]


@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        ("", [], "must name the columns"),
        ("time,m,m\n", [], "stands there twice"),
        ("time,m\n", [], "no number in it"),
        ("time,m\n2026-10-01T00:00Z,1\n", ["--meter", "x"], "no column 'x'; there are 'time', 'm'"),
        ("time,m\n", ["--time-column", "x"], "no column 'x'"),
        ("time,m 1\n", [], "give it one with --meter 'm 1=CODE'"),
        ("time,a,b\n", ["--meter", "a=E", "--meter", "b=E"], "told twice"),
        ("time,m\n", ["--unit", "m3"], "give --unit kWh or Wh"),
        ("time,m\n", ["--meter-column", "m"], "give --meter-column and --value-column"),
        ("time,m\n", ["--timezone", "Mars/Phobos"], "name one as in Asia/Shanghai"),
        ("time,m\n", ["--institution", "a/b"], "cannot be a code"),
        ("time,m\n2026-10-01T00:00Z,1\n", ["--port", "1"], "check that it runs"),
        (
            "when,who,kWh\n2026-10-01T00:00Z,a b,1\n",
            ["--meter-column", "who", "--value-column", "kWh"],
            "'a b' cannot be a meter's",
        ),
    ],
)
def test_every_refusal_says_what_to_do(tmp_path: Path, text: str, arguments: list[str], words: str) -> None:
    """Without a traceback, and before anything is published."""
    result = run(written(tmp_path, text), *arguments)
    assert result.exit_code in (1, 2)
    assert words in " ".join(result.output.split())
    assert isinstance(result.exception, SystemExit)


def test_the_registry_files_can_be_imported(tmp_path: Path) -> None:
    """One meter a column, with the interval of the file; a fall is never taken for a rollover."""
    result = run(written(tmp_path, WIDE), "--registry", tmp_path / "registry", "--institution", "R-1", "--gateway", "G1")
    assert result.exit_code == 0, result.output
    assert "2 values are missing" in result.output
    meters = read_files(tmp_path / "registry")["meters"]
    assert [(each.meter, each.gateway, each.interval_minutes, each.register_digits) for each in meters] == [
        ("b0", "G1", 60, None), ("b1", "G1", 60, None)]  # fmt: skip


@pytest.mark.parametrize(
    ("step", "words"), [("hour", "30 days, 9:00:00: the last reading is at 2026-10-31 12:00"), ("week", "28 days")]
)
def test_times_shift_to_now_by_whole_steps(tmp_path: Path, step: str, words: str) -> None:
    """It says by how much, so that the rows can be found again; weeks keep weekday and hour."""
    result = run(written(tmp_path, WIDE), "--shift-to-now", "--shift-step", step, "--port", 1)
    assert f"all times shifted by {words}" in result.output


def test_only_so_many_rows(tmp_path: Path) -> None:
    """The limit holds for what is checked, too."""
    assert "2 values of 2 meters" in run(written(tmp_path, WIDE), "--limit", 1, "--port", 1).output


@pytest.mark.skipif(not SERIES.is_dir(), reason="the shared series are not beside this checkout")
def test_real_series_of_60_buildings_keep_their_sums() -> None:
    """Cambridge, three months, one column a building: the register's last value is the sum the publisher states."""
    path = SERIES / "cambridge_electricity_hourly_2019_03_05.csv"
    of = Replay("R", Medium.ELECTRICITY, "G1", Values.STARTING)
    found = read(path)
    last = {}
    for message in messages(readings(found, of, survey(found)), of):
        last |= {each["meter"]: each["energy_import_kwh"] for each in json.loads(message.payload)["readings"]}
    assert len(last) == 60
    assert last["b0"] == pytest.approx(59035.6)
    assert last["b70"] == pytest.approx(81983.5)
