"""Scenarios, and the oracle's small rules."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from simulators import mishaps, oracle, proved, scenario
from simulators.cli import simulate
from simulators.month import HOUR_SECONDS, Month
from simulators.oracle import Limits
from simulators.scenario import ScenarioFault

START_S = Month(2026, 10).start_s
LIMITS = Limits(cap_per_hour=20_000, quantum=10, modulus=1_000_000, ratio_milli=1_000)


def test_four_scenarios_are_shipped_and_can_be_read() -> None:
    """Each with a description; the ordinary month has every fault of a register."""
    assert scenario.shipped() == ["hostile", "messy", "outage", "quiet"]
    for each in map(scenario.load, scenario.shipped()):
        assert each.description
    assert scenario.load("quiet").rates == scenario.Scenario().rates
    messy = scenario.load("messy").rates
    assert min(getattr(messy, kind) for kind in mishaps.Kind) > 0


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("[faults]\nduplicate = 0.1", "[faults]: no key 'duplicate', did you mean 'duplicates'?"),
        ("[gateways]\nofline = 0.1", "did you mean 'offline'?"),
        ("[fault]\ndrop = 0.1", "did you mean 'faults'?"),
        ("[faults]\ndrop = 2", "a rate is a number from 0 to 1"),
        ("[faults]\ndrop = true", "a rate is a number from 0 to 1"),
        ('[faults]\ndrop = "often"', "a rate is a number from 0 to 1"),
        ("[gateways]\noffline_hours = [9, 3]", "the fewest and the most hours"),
        ("[gateways]\nblackout_hours = 0", "whole hours, at least 1"),
        ("faults = 1", "must be a table"),
        ("drop", "is not TOML"),
    ],
)
def test_a_scenario_that_cannot_be_used_says_what_to_change(text: str, advice: str) -> None:
    """By name, with what may have been meant."""
    with pytest.raises(ScenarioFault) as fault:
        scenario.parse(text, "mine")
    assert advice in str(fault.value)


def test_a_name_that_is_not_shipped_is_a_file(tmp_path: Path) -> None:
    """And neither is refused with the names there are."""
    (tmp_path / "mine.toml").write_text("[faults]\nlate = 0.5\n[gateways]\noffline_hours = [1, 2]", encoding="utf-8")
    mine = scenario.load(str(tmp_path / "mine.toml"))
    assert (mine.name, mine.rates.late, mine.outages.hours) == ("mine", 0.5, (1, 2))
    with pytest.raises(ScenarioFault, match="did you mean 'hostile'"):
        scenario.load("hostil")


def run(*arguments: object) -> Result:
    """A dry run of a month whose sessions are known: without a month it would be the last one."""
    given = ["publish", "--dry-run", "--institutions", "2", "--month", "2026-10", *(str(each) for each in arguments)]
    return CliRunner().invoke(simulate, given)


def test_a_dry_run_publishes_nothing_and_says_how_fast_it_was(tmp_path: Path) -> None:
    """With and without a ledger; an option overrides the scenario's rate; fewer days are fewer messages."""
    whole, two = (run("--scenario", "quiet", *more) for more in ((), ("--days", 2)))
    assert "readings/s" in two.output
    assert len(two.output.split()[2]) < len(whole.output.split()[2])
    doubled = run("--scenario", "quiet", "--days", 2, "--duplicates", 1, "--ledger", tmp_path / "ledger")
    assert doubled.exit_code == 0
    messages, again = (int(each.output.split()[2].replace(",", "")) for each in (two, doubled))
    states = 2 + 2  # two gateways' births, and the state of a connector at both ends of a session: retained, never repeated
    assert again == 2 * messages - states
    assert (tmp_path / "ledger").is_file()


def test_publishing_without_a_ledger_is_refused() -> None:
    """Nobody could tell what the database must hold."""
    result = CliRunner().invoke(simulate, ["publish", "--institutions", "2"])
    assert result.exit_code == 2
    assert "--ledger is missing" in result.output


def test_an_unknown_scenario_is_a_usage_error() -> None:
    """Without a traceback."""
    result = run("--scenario", "mesy")
    assert result.exit_code == 2
    assert "did you mean 'messy'" in " ".join(result.output.split())


def array(*numbers: int) -> oracle.Integers:
    return np.array(numbers, np.int64)


@given(st.integers(-(2**50), 2**50), st.integers(1, 2**20))
def test_half_even_is_what_python_rounds_to(numerator: int, denominator: int) -> None:
    """Ties go to the even integer."""
    assert proved.half_even(array(numerator), array(denominator), array(0)).tolist() == [round(Fraction(numerator, denominator))]


@given(
    st.lists(st.tuples(st.integers(1, 9 * HOUR_SECONDS), st.integers(0, 9_000)), min_size=1, max_size=30),
    st.integers(0, 2 * HOUR_SECONDS),
)
def test_hours_and_silences_add_up_to_the_register(steps: list[tuple[int, int]], offset_s: int) -> None:
    """Exactly, whatever the instants: what no hour holds is in the month."""
    times = START_S + offset_s + np.cumsum([0, *(seconds for seconds, _ in steps)])
    values = np.cumsum([500, *(advance for _, advance in steps)])
    limits = LIMITS._replace(cap_per_hour=10**9)
    found = oracle.steps(times, values, limits)
    derived = proved.derived(found, limits.ratio_milli)
    assert sum(derived.months.values()) == (values[-1] - values[0]) * limits.ratio_milli
    silent = sum(advance for seconds, advance in steps if seconds > proved.LINEAR_UP_TO_S)
    assert int(derived.amounts.sum()) == (values[-1] - values[0] - silent) * limits.ratio_milli


def hourly(*values: int) -> oracle.Steps:
    times = START_S + HOUR_SECONDS * np.arange(len(values))
    return oracle.steps(times, array(*values), LIMITS)


@pytest.mark.parametrize(
    ("values", "advance", "ignored", "jumps"),
    [
        ((100, 200, 300), [100, 100], (), ()),
        ((999_900, 100, 300), [200, 200], (), ()),
        ((5_000, 2_500, 5_200, 5_300), [200, 100], (1,), ()),
        ((5_000, 90_000, 5_200, 5_300), [200, 100], (1,), ()),
        ((5_000, 90_000, 90_010, 5_300), [300], (1, 2), ()),
        ((500_000, 10, 20, 30, 40), [10, 10, 10], (), ()),
        ((5_000, 310_000, 310_020, 310_030), [20, 10], (), ((0, 1),)),
        ((5_000, 90_000), [], (1,), ()),
        ((5_000,), [], (), ()),
    ],
    ids=["even", "rollover", "dip", "spike", "two spikes", "reset", "jump", "spike at the end", "one reading"],
)
def test_which_readings_count(
    values: tuple[int, ...], advance: list[int], ignored: tuple[int, ...], jumps: tuple[tuple[int, int], ...]
) -> None:
    """One or two wrong values between right ones do not; three in a row that agree are the new base."""
    found = hourly(*values)
    assert (found.advance.tolist(), found.ignored, found.jumps) == (advance, ignored, jumps)


def test_a_silence_is_booked_in_the_month_that_holds_it_whole() -> None:
    """Across two months in none; across a year's end it is split."""
    begin_s = Month(2026, 11).start_s - 10 * HOUR_SECONDS
    across = array(begin_s, begin_s + 20 * HOUR_SECONDS)
    assert proved.derived(oracle.steps(across, array(0, 1000), LIMITS), 1).months == {}
    within = across - 24 * HOUR_SECONDS
    assert proved.derived(oracle.steps(within, array(0, 1000), LIMITS), 1).months == {"2026-10": 1000}
    year_s = Month(2027, 1).start_s - 5 * HOUR_SECONDS
    over = array(year_s, year_s + 20 * HOUR_SECONDS)
    assert proved.derived(oracle.steps(over, array(0, 1000), LIMITS), 1).months == {
        "2026-12": 250,
        "2027-01": 750,
    }


def test_a_reset_counts_what_the_register_shows_since_zero() -> None:
    """In no hour, but in the month that holds it whole."""
    found = hourly(500_000, 10, 20, 30)
    derived = proved.derived(found, 1)
    assert found.resets == ((0, 1),)
    assert derived.amounts.tolist() == [10, 10]
    assert derived.months == {"2026-10": 30}


def test_a_register_that_stood_still_catches_up() -> None:
    """By what may have passed since: in no hour, but in the month that holds it whole. A spike after a standstill stays one."""
    found = hourly(100, 100, 100, 100, 70_000, 70_010, 70_020)
    derived = proved.derived(found, 1)
    assert (found.catch_ups, found.jumps) == (((3, 4, 0, 69_900),), ())
    assert derived.months == {"2026-10": 69_920}
    assert hourly(100, 100, 100, 39_000, 39_010).catch_ups == ((2, 3, 0, 38_900),)
    assert hourly(100, 100, 100, 70_000, 110).ignored == (3,)


def test_a_declared_exchange_counts_both_registers() -> None:
    """Up to the old one's last value, and from the new one's first; a value the old one cannot have reached counts nothing."""
    times = START_S + HOUR_SECONDS * np.arange(4)
    values = array(5_000, 5_100, 40, 90)
    at = START_S + HOUR_SECONDS * 3 // 2
    right = oracle.steps(times, values, LIMITS, [oracle.Exchange(at, 5_140, 10)])
    assert right.advance.tolist() == [100, 40, 30, 50]
    assert proved.derived(right, 1).amounts.tolist() == [100, 70, 50]
    wrong = oracle.steps(times, values, LIMITS, [oracle.Exchange(at, 900_000, 10)])
    assert (wrong.advance.tolist(), wrong.jumps) == ([100, 30, 50], ((1, 2),))
    nowhere = [oracle.Exchange(START_S, 7, 7), oracle.Exchange(START_S + 9 * HOUR_SECONDS, 7, 7)]
    assert oracle.steps(times[:2], values[:2], LIMITS, nowhere).advance.tolist() == [100]


def test_a_silence_of_a_day_takes_the_shape_of_like_days() -> None:
    """The same hour of the weeks before, in proportion; without them it has no hours."""
    weekly = np.array([10 if hour % 24 == 9 else 1 for hour in range(8 * 24)])
    values = np.cumsum([0, *weekly])
    times = START_S + HOUR_SECONDS * np.arange(len(values))
    times, values = np.append(times, times[-1] + 24 * HOUR_SECONDS), np.append(values, values[-1] + 66)
    derived = proved.derived(oracle.steps(times, values, LIMITS), 1)
    assert derived.amounts[-24:].tolist() == [20 if hour == 9 else 2 for hour in range(24)]
    assert sum(derived.months.values()) == values[-1]
    short = proved.derived(oracle.steps(times[-50:], values[-50:], LIMITS), 1)
    assert len(short.hours) == 48
