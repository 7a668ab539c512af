"""The pictures: what is chosen from a fleet, and that drawing it needs no display and leaves no empty boxes."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("matplotlib")

from simulators import fleet, labels
from simulators import plot as chosen
from simulators.city.plan import Plan
from simulators.commands.plot import plot
from simulators.month import Month

OCTOBER = Month(2026, 10)
NAMES = {"week-electricity", "week-water", "day-charging", "leak", "year-weather"}


@pytest.fixture(scope="module")
def plans() -> Sequence[Plan]:
    """Every class, chargers and leaks among them."""
    return fleet.planned(40, 1, 2026, leaks=0.3)


def test_the_week_is_an_ordinary_one(plans: Sequence[Plan]) -> None:
    """It begins on a Monday at midnight, after October's holidays; one institution of each class."""
    weeks = chosen.weeks(plans, OCTOBER)
    assert {(week.start.weekday(), week.start.hour, week.start.day) for week in weeks} == {(0, 0, 12)}
    assert [week.of.institution_class for week in weeks] == list(chosen.CLASSES)
    assert {len(curve.amounts) for week in weeks for curve in (*week.electricity, week.water)} == {168}


def test_the_day_of_charging_is_complete(plans: Sequence[Plan]) -> None:
    """Sessions that lie within the day hold what the chargers' curves hold, or less where one reaches over midnight."""
    day = chosen.charger_day(plans, OCTOBER)
    assert day is not None
    for curve, rated_kw, sessions in day.chargers:
        assert curve.amounts.sum() <= sum(session.energy_micro for session in sessions) / 1e6 + 0.001
        assert curve.amounts.max() <= rated_kw


def test_the_leak_is_seen_from_its_day_on(plans: Sequence[Plan]) -> None:
    """Nothing before, all the time after."""
    leak = chosen.leak(plans)
    assert leak is not None
    assert not leak.leaking[:240].any()
    assert (leak.leaking[240:] > 0).all()
    assert (leak.began - leak.start).days == 10


def test_a_fleet_may_lack_chargers_and_leaks(plans: Sequence[Plan]) -> None:
    """Then there is nothing to draw."""
    bare = [plan for plan in plans if not plan.chargers and not plan.traits.leak]
    assert chosen.charger_day(bare, OCTOBER) is None
    assert chosen.leak(bare) is None


@pytest.mark.parametrize("font", [None, "DejaVu Sans"])
def test_chinese_stands_only_where_a_font_can_draw_it(font: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty box says nothing in any language."""
    monkeypatch.setattr(labels, "chinese_font", lambda: font)
    assert labels.words()("water", "水") == ("water  水" if font else "water")


def test_every_picture_is_drawn_twice_the_same(tmp_path: Path) -> None:
    """As SVG and PNG, without a display; a glyph that is missing would be a warning, and so an error here."""
    for name in ("first", "second"):
        result = CliRunner().invoke(plot, [str(tmp_path / name), "--month", "2026-10"], catch_exceptions=False)
        assert result.exit_code == 0
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert files == sorted(f"{name}.{kind}" for name in NAMES for kind in ("png", "svg"))
    assert all((tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes() for name in files)


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library comes with an extra."""
    for name in [name for name in sys.modules if name in ("simulators.labels", "simulators.pictures")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("simulators.labels", raising=False)
    monkeypatch.delattr("simulators.pictures", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = CliRunner().invoke(plot, [str(tmp_path)])
    assert "pip install 'meterwarden[simulator]'" in result.output
    assert result.exit_code == 1
