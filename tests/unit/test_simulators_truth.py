"""The truth: exact in integers whatever the institution, the same bytes for the same options."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from simulators import fleet
from simulators.city import registers, store, truth
from simulators.city.hours import months, of_month
from simulators.city.metering import MAIN
from simulators.city.plan import Plan
from simulators.city.spread import apportion, spread
from simulators.cli import simulate
from simulators.month import Month

YEAR = 2025
WEIGHTS = st.lists(st.floats(0, 1e3, allow_nan=False, allow_subnormal=False), min_size=1, max_size=50).filter(
    lambda all_: sum(all_) > 1
)
PLANS = [*fleet.planned(60, 3, YEAR), *fleet.planned(60, 4, YEAR, leaks=0.5)]
MONTHS = st.sampled_from(months(YEAR))


def write(path: Path, *arguments: object) -> Path:
    """A small city's year."""
    options = ["truth", "--institutions", 9, "--workers", 1, "--out", path, *arguments]
    result = CliRunner().invoke(simulate, [str(each) for each in options])
    assert result.exit_code == 0, result.output
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("truth") / "truth.sqlite")


@given(st.integers(0, 10**15), WEIGHTS)
def test_a_spread_total_sums_to_itself(total: int, weights: list[float]) -> None:
    """Nothing is lost or made by sharing out, and no part is negative."""
    parts = spread(total, np.array(weights))
    assert int(parts.sum()) == total
    assert int(parts.min()) >= 0


def test_a_total_too_large_to_be_exact_is_refused() -> None:
    """Floating-point numbers would lose its last digits."""
    with pytest.raises(ValueError, match="give a total"):
        spread(2**60, np.ones(3))


@given(st.integers(0, 10**6), st.dictionaries(st.text(), st.integers(1, 10**6), min_size=1))
def test_apportioned_counts_sum_and_stay_within_one(count: int, sizes: dict[str, int]) -> None:
    """Of their exact part."""
    counts = apportion(count, sizes)
    assert sum(counts.values()) == count
    assert all(abs(counts[name] * sum(sizes.values()) - count * size) < sum(sizes.values()) for name, size in sizes.items())


@given(arrays.arrays(np.int64, st.integers(1, 800), elements=st.integers(0, 2**62)))
def test_a_packed_month_comes_back(hours_micro: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> None:
    """Every integer of it."""
    assert store.unpacked(store.packed(hours_micro)).tolist() == hours_micro.tolist()


@settings(max_examples=60)
@given(st.sampled_from(PLANS), MONTHS)
def test_what_is_used_is_what_was_given(plan: Plan, month: Month) -> None:
    """End uses, loss and charging are import and the roof's, less export, in every hour; the month is its target exactly."""
    load = truth.load(plan, month)
    assert (load.whole + load.exported == load.imported + load.roof).all()
    assert min(int(part.min()) for part in (*load.uses.values(), load.loss, load.charging, load.roof)) >= 0
    assert (np.minimum(load.imported, load.exported) == 0).all()
    assert int(load.whole.sum()) == int(plan.electricity[month.number - 1])
    assert int(load.loss.sum()) == int(plan.building.loss[month.number - 1])


@settings(max_examples=60)
@given(st.sampled_from(PLANS), MONTHS)
def test_no_hour_is_negative_or_above_the_rated_capacity(plan: Plan, month: Month) -> None:
    """Of any register of any meter."""
    for channel in truth.channels(plan, month):
        assert len(channel.hours_micro) == month.hours
        assert int(channel.hours_micro.min()) >= 0
        assert int(channel.hours_micro.max()) <= registers.face(plan, channel.point).rated_tenths * 100_000


@settings(max_examples=60)
@given(st.sampled_from([plan for plan in PLANS if plan.traits.sub_metered]), MONTHS)
def test_sub_meters_and_the_stated_loss_sum_to_the_main(plan: Plan, month: Month) -> None:
    """And data room and kitchen stay below the special meter, IT below the data room."""
    hours = {each.point.code: each.hours_micro for each in truth.channels(plan, month) if each.register != truth.EXPORT_REGISTER}
    load = truth.load(plan, month)
    first = sum(hours[code] for code in ("EM-02", "EM-03", "EM-04", "EM-05"))
    assert (first + load.charging + load.loss == load.whole).all()
    zero = np.zeros_like(load.whole)
    assert (hours.get("EM-06", zero) + hours.get("EM-08", zero) < hours["EM-05"]).all()
    assert (hours.get("EM-07", zero) <= hours.get("EM-06", zero)).all()
    assert (hours[MAIN] == load.imported).all()


def test_some_roofs_feed_back_and_some_rooms_hold_computers() -> None:
    """And nobody with a roof is over the constraint."""
    roofs = [plan for plan in PLANS if plan.traits.roof_kw]
    assert len(roofs) > 5
    assert any(plan.traits.room for plan in PLANS)
    assert max(plan.use.electricity_per_mille for plan in roofs) <= 900
    assert any(truth.load(plan, month).exported.any() for plan in roofs for month in months(YEAR))


def test_the_same_options_write_the_same_bytes(written: Path, tmp_path: Path) -> None:
    """The whole file; two processes write what one writes, another seed, year or leak another file."""
    assert digest(written) == digest(write(tmp_path / "again", "--workers", 2))
    others = [("--seed", 2), ("--year", 2026), ("--leaks", 1)]
    assert digest(written) not in {digest(write(tmp_path / str(number), *each)) for number, each in enumerate(others)}


def test_totals_are_the_sums_of_their_hours(written: Path) -> None:
    """Of every register and month; an institution's are its main meters'."""
    with store.read(written) as file:
        mains: dict[tuple[str, str, str], int] = {}
        for month in months(YEAR):
            totals = dict(
                file.connection.execute("SELECT channel, total_micro FROM channel_month WHERE month = ?", (month.number,))
            )
            for (institution, medium, meter, register, hours), total in zip(file.hours(month), totals.values(), strict=True):
                assert len(hours) == month.hours
                assert int(hours.sum()) == total
                if meter in ("EM-01", "WM-01"):
                    key = institution, medium, register
                    mains[key] = mains.get(key, 0) + total
        query = "SELECT institution, medium, register, sum(total_micro) FROM institution_month GROUP BY 1, 2, 3"
        assert {tuple(key): total for *key, total in file.connection.execute(query)} == mains
        assert file.connection.execute("SELECT value FROM meta WHERE key = 'complete'").fetchone() == ("yes",)


def test_a_published_month_is_a_slice_of_the_year(written: Path) -> None:
    """The fleet of a month and the file of its year hold the same hours."""
    month = Month(YEAR, 7)
    of = fleet.build(9, 1, month)
    built = {
        (meter.institution, meter.medium, meter.code): list(meter.amounts_micro)
        for each in of.institutions
        for meter in each.meters
    }
    with store.read(written) as file:
        kept = {(key[0], key[1], key[2]): hours.tolist() for *key, hours in file.hours(month) if key[3] != truth.EXPORT_REGISTER}
    assert kept == built


def test_a_file_is_never_written_over(written: Path, tmp_path: Path) -> None:
    """The error says what to do; a file that is missing is told from an empty one."""
    result = CliRunner().invoke(simulate, ["truth", "--out", str(written)])
    assert result.exit_code == 1
    assert "delete it or name a new file" in result.output
    result = CliRunner().invoke(simulate, ["truth", "--out", str(tmp_path / "none" / "file")])
    assert "choose another --out" in result.output
    with pytest.raises(FileNotFoundError), store.read(tmp_path / "none"):
        pass


def test_a_scale_and_a_number_contradict_each_other(tmp_path: Path) -> None:
    """One of the two says how many institutions."""
    result = CliRunner().invoke(simulate, ["truth", "--scale", "1", "--institutions", "3", "--out", str(tmp_path / "file")])
    assert result.exit_code == 2
    assert "give one of the two" in result.output
    result = CliRunner().invoke(
        simulate, ["registry", str(tmp_path), "--city", "xianning", "--scale", "0.005", "--month", "2025-07"]
    )
    assert "files for 9 institutions" in result.output


def test_charging_of_the_months_is_that_of_the_year() -> None:
    """A session over midnight counts in both months, each with its part."""
    plan = next(plan for plan in PLANS if len(plan.speeds) > 1)
    for month in months(YEAR):
        meters = [each for each in truth.channels(plan, month) if each.point.medium == "charger"]
        assert (sum(each.hours_micro for each in meters) == plan.charging[of_month(month)]).all()
