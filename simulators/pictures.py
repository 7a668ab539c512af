"""Pictures of a fleet, drawn with matplotlib and written as SVG and PNG; no display is needed."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib import dates as untyped_dates
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simulators.labels import Words
from simulators.month import ZONE, local
from simulators.plot import CHARGING, ChargerDay, Curve, Leak, Week, Year

dates: Any = untyped_dates
"""Has no types of its own."""
DOTS_PER_INCH: Final = 110
ITEMS: Final = {
    "": ("main meter", "总表", "#222222"),
    "A": ("lighting and sockets", "照明插座", "#e0a100"),
    "B": ("air conditioning", "空调", "#1f77b4"),
    "C": ("power", "动力", "#2ca02c"),
    "D": ("special", "特殊", "#9467bd"),
    CHARGING: ("charging", "充电", "#d65f8a"),
}
CLASSES: Final = {"government": "机关", "school": "学校", "hospital": "医院", "venue": "场馆", "other": "其他"}
WATER: Final = "#17859b"


def write(figure: Figure, directory: Path, name: str) -> list[Path]:
    """Write both kinds of file; the same figure gives the same bytes. Returns the paths."""
    rcParams["svg.hashsalt"] = name
    paths = [directory / f"{name}.svg", directory / f"{name}.png"]
    figure.savefig(paths[0], metadata={"Date": None})
    figure.savefig(paths[1], dpi=DOTS_PER_INCH)
    return paths


def electricity(weeks: Sequence[Week], words: Words) -> Figure:
    """A week of each class: the main meter, and under it its sub-meters, stacked."""
    figure, panels = _panels(len(weeks), words("A week of electricity, kW", "一周用电, kW"))
    for axes, week in zip(panels, weeks, strict=True):
        _titled(axes, week, words)
        subs = [curve for curve in week.electricity if curve.sub_item in ITEMS and curve.sub_item]
        at = _hours(week.start, len(week.water.amounts))
        if subs:
            _stacked(
                axes, at, subs, [ITEMS[curve.sub_item][2] for curve in subs], [words(*ITEMS[curve.sub_item][:2]) for curve in subs]
            )
        _line(axes, at, week.electricity[0], words(*ITEMS[""][:2]), ITEMS[""][2])
    _legend(figure, panels)
    return figure


def water(weeks: Sequence[Week], words: Words) -> Figure:
    """A week of each class."""
    figure, panels = _panels(len(weeks), words("A week of water, m³/h", "一周用水, m³/h"))
    for axes, week in zip(panels, weeks, strict=True):
        _titled(axes, week, words, ", leaking" if week.leaking else "")
        _line(axes, _hours(week.start, len(week.water.amounts)), week.water, words("main meter", "总表"), WATER)
    return figure


def charger_day(of: ChargerDay, words: Words) -> Figure:
    """Mean power of every hour above, sessions below."""
    figure = Figure(figsize=(11, 6.5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    figure.suptitle(words(f"{of.of.code}: a day of charging, {of.start:%Y-%m-%d}", "充电一日"))
    at = _hours(of.start, 24)
    colours = [f"C{number}" for number in range(len(of.chargers))]
    labels = [f"{curve.code} ({rated:.0f} kW)" for curve, rated, _ in of.chargers]
    _stacked(above, at, [curve for curve, _, _ in of.chargers], colours, labels)
    above.set_ylabel(words("kW, mean of the hour", "小时平均功率"))
    above.legend(loc="upper left", fontsize=8)
    for row, (_, _, sessions) in enumerate(of.chargers):
        for session in sessions:
            start, stop = (dates.date2num(local(second)) for second in (session.started_s, session.stopped_s))
            below.barh(row, stop - start, left=start, height=0.6, color=colours[row], alpha=0.7, edgecolor="#333333")
            below.text((start + stop) / 2, row + 0.33, f"{session.energy_micro / 1e6:.0f}", ha="center", va="bottom", fontsize=7)
    below.set_yticks(range(len(of.chargers)), [curve.code for curve, _, _ in of.chargers])
    below.set_ylabel(words("sessions, kWh", "充电会话"))
    below.set_ylim(-0.5, len(of.chargers) - 0.3)
    _ticks(below, dates.HourLocator(interval=2, tz=ZONE), "%H:%M")
    below.set_xlim(at[0], at[-1])
    return figure


def leak(of: Leak, words: Words) -> Figure:
    """The meter's hours, and how the nights rise from the day on that the leak begins."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    axes = figure.subplots()
    figure.suptitle(words(f"{of.of.code} ({of.of.sub_class}): a leak, m³/h", "漏水, m³/h"))
    at = _hours(of.start, len(of.water))
    axes.stairs(of.water, at, baseline=None, color=WATER, label=words("main meter", "总表"))
    axes.stairs(of.leaking, at, fill=True, color="#d62728", alpha=0.35, label=words("the leak's part", "漏水部分"))
    axes.axvline(dates.date2num(of.began), color="#d62728", linestyle="--", linewidth=1)
    _ticks(axes, dates.DayLocator(interval=3, tz=ZONE), "%d %b")
    axes.set_xlim(at[0], at[-1])
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper left", fontsize=8)
    return figure


def year(of: Year, words: Words) -> Figure:
    """Temperature above, air conditioning below, day by day."""
    figure = Figure(figsize=(11, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    figure.suptitle(words(f"{of.of.code} ({of.of.sub_class}): a year of weather and air conditioning", "全年气温与空调用电"))
    days = [of.start + timedelta(days=number) for number in range(of.temperature_c.shape[1])]
    least, mean, most = of.temperature_c
    above.fill_between(days, least, most, color="#d62728", alpha=0.2, linewidth=0, label=words("daily range", "日较差"))
    above.plot(days, mean, color="#d62728", linewidth=1, label=words("daily mean", "日平均"))
    above.set_ylabel(words("outdoors, °C", "室外, °C"))
    above.legend(loc="upper left", fontsize=8)
    below.bar(days, of.hvac_kwh, width=1, color=ITEMS["B"][2])
    below.set_ylabel(words("air conditioning, kWh a day", "空调, kWh/日"))
    _ticks(below, dates.MonthLocator(tz=ZONE), "%b")
    below.set_xlim(days[0], days[-1])
    return figure


def _panels(count: int, title: str) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(11, 1 + 2.1 * count), layout="constrained")
    figure.suptitle(title)
    return figure, list(figure.subplots(count, 1, squeeze=False, sharex=True)[:, 0])


def _titled(axes: Axes, week: Week, words: Words, note: str = "") -> None:
    of = week.of
    english = f"{of.institution_class}: {of.sub_class}, {of.code}, {of.floor_area_m2:,} m², week of {week.start:%Y-%m-%d}{note}"
    axes.set_title(words(english, CLASSES.get(of.institution_class, "")), fontsize=9, loc="left")
    _ticks(axes, dates.DayLocator(tz=ZONE), "%a")


def _ticks(axes: Axes, locator: Any, text: str) -> None:
    """Where the local time is marked, and how it is written."""
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.DateFormatter(text, tz=ZONE))
    axes.grid(axis="x", alpha=0.4)


def _hours(start: datetime, count: int) -> Any:
    """The edges of so many hours."""
    return dates.date2num(start) + np.arange(count + 1) / 24


def _stacked(axes: Axes, at: Any, curves: Sequence[Curve], colours: Sequence[str], labels: Sequence[str]) -> None:
    """One above the other, in steps of an hour."""
    below = np.zeros(len(at) - 1)
    for curve, colour, label in zip(curves, colours, labels, strict=True):
        axes.stairs(below + curve.amounts, at, baseline=below, fill=True, color=colour, alpha=0.6, label=label)
        below = below + curve.amounts


def _line(axes: Axes, at: Any, curve: Curve, label: str, colour: str) -> None:
    axes.stairs(curve.amounts, at, baseline=None, color=colour, linewidth=1.2, label=label)
    axes.set_xlim(at[0], at[-1])
    axes.set_ylim(bottom=0)


def _legend(figure: Figure, panels: Sequence[Axes]) -> None:
    """One legend for all panels."""
    found: dict[str, Any] = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    figure.legend(found.values(), found.keys(), loc="outside lower center", ncols=6, fontsize=8, frameon=False)
