"""Registry files -> checked lines. Every mistake is named with its file, line and column; nothing is guessed.

The columns are described in docs/registry.md.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from ingest.storage.registry_lines import FILES, Line, QuotaLine, begin, end
from ingest.storage.registry_tree import misplaced
from schemas.registers import Medium

OPTIONAL: Final = frozenset({"chargers", "exchanges", "factors", "virtual_meters", "pv_rules"})

Files = dict[str, list[Any]]


class RegistryFault(Exception):  # noqa: N818 - a verdict on files, not a fault of the program
    """The files cannot be imported; `mistakes` has one line each, with file, line and what to do."""

    def __init__(self, mistakes: list[str]) -> None:
        """All mistakes at once, so that one pass mends them."""
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


def read_files(directory: Path) -> Files:
    """The checked lines of every registry file in a directory. Raises RegistryFault with all mistakes."""
    mistakes: list[str] = []
    files = {name: _read(directory / f"{name}.csv", model, name, mistakes) for name, model in FILES.items()}
    if not mistakes:
        mistakes += _cross_checks(files)
    if not mistakes:
        mistakes += misplaced(files, _zones(files))
    if mistakes:
        raise RegistryFault(mistakes)
    return files


def _read(path: Path, model: type[Line], name: str, mistakes: list[str]) -> list[Any]:
    if not path.exists():
        if name not in OPTIONAL:
            mistakes.append(f"{path}: missing; write it with the columns in docs/registry.md")
        return []
    lines = []
    try:
        columns, rows = _table(path)
    except UnicodeDecodeError:
        mistakes.append(f"{path}: not UTF-8; save it as UTF-8 (a spreadsheet offers 'CSV UTF-8')")
        return []
    except csv.Error as error:
        mistakes.append(f"{path}: {error}; open it in a spreadsheet and save it again as CSV")
        return []
    faults = list(_header_faults(columns, model))
    if faults:
        mistakes += [f"{path.name}:1: {fault}" for fault in faults]
        return []
    for number, values in rows:
        if None in values:
            mistakes.append(f"{path.name}:{number}: more fields than the header has columns; quote fields that hold a comma")
            continue
        try:
            lines.append(model.model_validate({**values, "line_number": number}))
        except ValidationError as error:
            mistakes += [f"{path.name}:{number}: {_words(detail)}" for detail in error.errors(include_url=False)]
    return lines


def _table(path: Path) -> tuple[list[str], list[tuple[int, dict[str | None, Any]]]]:
    """The header, and the lines under its names, each with the number of the file's line it ends in; lines of blanks left out."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        columns = list(reader.fieldnames or ())
        if len(set(columns)) < len(columns) or "line_number" in columns:
            raise csv.Error("a column stands twice in the header, or is called line_number")
        return columns, [(reader.line_num, dict(values)) for values in reader if not _is_blank(values)]


def _is_blank(values: dict[str | Any, Any]) -> bool:
    """Nothing but commas, as spreadsheets write below a table."""
    fields = [field for value in values.values() for field in (value if isinstance(value, list) else [value])]
    return not any((field or "").strip() for field in fields)


def _header_faults(columns: Sequence[str], model: type[Line]) -> Iterator[str]:
    """Columns that are missing or strange, once a file and not once a line."""
    if len(columns) == 1 and (separator := next((sign for sign in ";\t" if sign in columns[0]), None)):
        yield f"fields are parted by {separator!r}; save it as CSV with commas"
        return
    fields = {field.alias or name: field for name, field in model.model_fields.items() if name not in Line.model_fields}
    for name, field in fields.items():
        if field.is_required() and name not in columns:
            yield f"{name}: this column is missing; docs/registry.md names them all"
    for name in columns:
        if name and name not in fields:
            yield f"{name}: there is no such column; correct its name, or leave it out"


def _words(detail: Any) -> str:
    column = ".".join(str(part) for part in detail["loc"][:1]).removesuffix("_")
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "missing":  # what was found is the whole line
        return f"{column}: {message}"
    return f"{column}: {message} (found {detail['input']!r})" if column else message


def _cross_checks(files: Files) -> list[str]:
    """Names that lines of one file use and another must define, and keys that may stand only once."""
    zone_of = _zones(files)
    return [
        *_unknown_names(files),
        *_twice("regions", files["regions"], lambda line: (line.region,)),
        *_twice("institutions", files["institutions"], lambda line: (line.institution,)),
        *_twice("chargers", files["chargers"], lambda line: (line.institution, line.charger)),
        *_twice("exchanges", files["exchanges"],
                lambda line: (line.institution, line.medium, line.meter, line.register_, line.exchanged_at)),
        *_exchanges_of_nobody(files, zone_of),
        *_twice("quotas", files["quotas"], lambda line: (line.quota,)),
        *_twice("factors", files["factors"], lambda line: (line.factor_set, line.item)),
        *_overlaps("denominators", files["denominators"], lambda line: (line.institution, line.denominator), lambda _: "UTC"),
        *_overlaps("meters", files["meters"], lambda line: (line.institution, line.medium, line.meter),
                   lambda line: zone_of.get(line.institution, "UTC")),
        *_overlaps("virtual_meters", files["virtual_meters"], lambda line: (line.institution, line.medium, line.meter),
                   lambda _: "UTC"),
        *_overlaps("pv_rules", files["pv_rules"], lambda line: (line.institution,), lambda _: "UTC"),
        *_contradicting_quotas(files["quotas"]),
    ]  # fmt: skip


def _zones(files: Files) -> dict[str, str]:
    """The time zone of every institution."""
    zones = {line.region: line.timezone for line in files["regions"]}
    return {line.institution: zones.get(line.region, "UTC") for line in files["institutions"]}


def _unknown_names(files: Files) -> Iterator[str]:
    regions = {line.region for line in files["regions"]}
    institutions = {line.institution for line in files["institutions"]}
    real = {(line.institution, line.medium, line.meter) for line in files["meters"]}
    virtual = {(line.institution, line.medium, line.meter) for line in files["virtual_meters"]}
    for line in files["institutions"]:
        if line.region not in regions:
            yield _at("institutions", line, f"region: {line.region!r} is not in regions.csv; add it there")
    for name in ("denominators", "meters", "virtual_meters", "pv_rules", "chargers"):
        for line in files[name]:
            if line.institution not in institutions:
                yield _at(name, line, f"institution: {line.institution!r} is not in institutions.csv; add it there")
    for line in files["chargers"]:
        if (line.institution, Medium.CHARGER, line.charger) not in real:
            yield _at("chargers", line, f"charger: {line.charger!r} is no meter of medium charger; add it to meters.csv")
    for line in files["virtual_meters"]:
        if (line.institution, line.medium, line.meter) in real:
            yield _at("virtual_meters", line, f"meter: {line.meter!r} is a meter in meters.csv; give the virtual one another code")
    for name in ("meters", "virtual_meters"):
        for line in files[name]:
            media = (line.medium, Medium.ELECTRICITY) if line.medium is Medium.CHARGER else (line.medium,)
            if line.parent and not {(line.institution, medium, line.parent) for medium in media} & (real | virtual):
                text = f"parent: {line.parent!r} is no meter of the institution and medium; add it or leave it empty"
                yield _at(name, line, text)


def _exchanges_of_nobody(files: Files, zone_of: dict[str, str]) -> Iterator[str]:
    """An exchange needs its register at its time, and a value that the register can show."""
    for line in files["exchanges"]:
        zone, at = zone_of.get(line.institution, "UTC"), line.exchanged_at
        there = [
            meter for meter in files["meters"]
            if (meter.institution, meter.medium, meter.meter) == (line.institution, line.medium, line.meter)
            and line.register_ in meter.register_names and begin(meter, zone) <= at < end(meter, zone)
        ]  # fmt: skip
        if not there:
            yield _at(
                "exchanges", line, f"meter: {line.meter!r} has no register {line.register_} then; correct one of the two files"
            )
        elif any(meter.register_digits and max(line.old_final, line.new_initial) >= 10**meter.register_digits for meter in there):
            yield _at(
                "exchanges", line, "old_final, new_initial: more than register_digits of the meter can show; correct one of them"
            )


def _twice(name: str, lines: Iterable[Any], key: Callable[[Any], tuple[Any, ...]]) -> Iterator[str]:
    first: dict[tuple[Any, ...], int] = {}
    for line in lines:
        if key(line) in first:
            what = "/".join(str(part) for part in key(line))
            yield _at(name, line, f"{what!r} stands already in line {first[key(line)]}; remove one of them")
        first.setdefault(key(line), line.line_number)


def _overlaps(name: str, lines: Iterable[Any], key: Callable[[Any], tuple[Any, ...]], zone: Callable[[Any], str]) -> Iterator[str]:
    """Versions of the same thing must follow each other in time."""
    previous: Any = None
    for line in sorted(lines, key=lambda line: (*map(str, key(line)), begin(line, zone(line)))):
        if end(line, zone(line)) <= begin(line, zone(line)):
            yield _at(name, line, "valid_to: must lie after valid_from")
        elif previous is not None and key(previous) == key(line) and begin(line, zone(line)) < end(previous, zone(line)):
            yield _at(name, line, f"valid_from: lies within the time of line {previous.line_number}; end that one with valid_to")
            previous = max(previous, line, key=lambda either: end(either, zone(either)))
            continue
        previous = line


def _contradicting_quotas(lines: Sequence[QuotaLine]) -> Iterator[str]:
    """No institution may fall under two rows of one indicator and period at once."""
    for number, line in enumerate(lines):
        if end(line, "UTC") <= begin(line, "UTC"):
            yield _at("quotas", line, "valid_to: must lie after valid_from")
        for other in lines[:number]:
            if _may_meet(line, other):
                yield _at(
                    "quotas",
                    line,
                    f"an institution could fall under this row and line {other.line_number}; end one, or tell them apart",
                )


def _may_meet(one: QuotaLine, other: QuotaLine) -> bool:
    if (one.indicator, one.period_kind) != (other.indicator, other.period_kind):
        return False
    if begin(one, "UTC") >= end(other, "UTC") or begin(other, "UTC") >= end(one, "UTC"):
        return False
    pairs = ((getattr(one, name), getattr(other, name)) for name in ("class_", "sub_class", "climate_zone", "heating_type"))
    return all(first is None or second is None or first == second for first, second in pairs)


def _at(name: str, line: Line, text: str) -> str:
    return f"{name}.csv:{line.line_number}: {text}"
