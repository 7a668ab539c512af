"""What the user said of a file's columns -> where things stand in it."""

from collections.abc import Sequence
from dataclasses import dataclass

from simulators.samples import IS_CODE, Layout
from simulators.series import Series, SeriesFault


@dataclass(frozen=True, slots=True)
class Told:
    """Column names; `meters` are `NAME` or `NAME=CODE`, none for all of them."""

    time_column: str | None = None
    meter_column: str | None = None
    value_column: str | None = None
    meters: Sequence[str] = ()


def layout_of(series: Series, told: Told) -> Layout:
    """The layout, with every column there and every meter with a code of its own. Raises SeriesFault."""
    columns = series.columns()
    if not columns:
        raise SeriesFault(f"{series.path}:1: no header line; the first line must name the columns")
    for name in filter(None, (told.time_column, told.meter_column, told.value_column)):
        _there(series, name, columns)
    time_column = told.time_column or columns[0]
    if told.meter_column is not None:
        codes = _codes(series, told.meters)
        return Layout(time_column, codes, told.meter_column, told.value_column, every=not codes)
    codes = _codes(series, told.meters or [name for name in columns if name != time_column])
    for name in codes:
        _there(series, name, columns)
    return Layout(time_column, codes)


def _there(series: Series, name: str, columns: list[str]) -> None:
    if name not in columns:
        some = ", ".join(map(repr, columns[:8])) + (" …" if len(columns) > 8 else "")
        raise SeriesFault(f"{series.path}:1: no column {name!r}; there are {some} (another --delimiter?)")


def _codes(series: Series, meters: Sequence[str]) -> dict[str, str]:
    """Code of every name. The last `=` parts them, so that a name may hold one."""
    codes: dict[str, str] = {}
    for meter in meters:
        name, equals, code = meter.rpartition("=")
        name, code = (name, code) if equals else (meter, meter)
        if not IS_CODE(code):
            raise SeriesFault(f"{series.path}:1: {code!r} cannot be a meter's code; give it one with --meter '{name}=CODE'")
        if name in codes or code in codes.values():
            raise SeriesFault(f"{series.path}:1: {meter!r} is told twice; name every meter once, with a code of its own")
        codes[name] = code
    return codes
