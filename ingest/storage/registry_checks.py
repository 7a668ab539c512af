"""Registry lines, wherever they were read: each checked by itself, then all held against each other.

Every mistake is named with its place and column; nothing is guessed. The columns are described in docs/registry.md.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from ingest.storage.registry_lines import FILES, Line, QuotaLine, begin, end
from ingest.storage.registry_tree import misplaced
from schemas.registers import Medium

OPTIONAL: Final = frozenset({"chargers", "exchanges", "factors", "virtual_meters", "pv_rules"})

Files = dict[str, list[Any]]
Mistake = tuple[str, int, str]
"""Name of the file, number of its line, and what is wrong there."""


class RegistryFault(Exception):  # noqa: N818 - a verdict on files, not a fault of the program
    """The files cannot be imported; `mistakes` has one line each, with file, line and what to do."""

    def __init__(self, mistakes: list[str]) -> None:
        """All mistakes at once, so that one pass mends them."""
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class Naming(NamedTuple):
    """What a person calls a file, and a line of it; templates of its name and the line's number."""

    file: str
    line: str


@dataclass(frozen=True, slots=True)
class Row:
    """A line as it was read: its number, its fields by column, and what could not be read of it."""

    number: int
    fields: dict[Any, Any]
    mistakes: Sequence[str] = ()


class Table(NamedTuple):
    """What a file holds: the names of its columns, and its rows."""

    columns: Sequence[str]
    rows: Iterable[Row]


NOTHING: Final = Table((), ())
"""A file that may be missing, and is."""


def check(table_of: Callable[[str], Table], naming: Naming) -> Files:
    """The checked lines of every file; `table_of` gives what one holds, or raises RegistryFault. So does this, with all of them."""
    mistakes: list[str] = []
    files = {name: _lines(name, model, table_of, naming, mistakes) for name, model in FILES.items()}
    for held in (_cross_checks, _places):
        if not mistakes:
            mistakes += [f"{naming.line.format(name, number)}: {text}" for name, number, text in held(files, naming)]
    if mistakes:
        raise RegistryFault(mistakes)
    return files


def _lines(name: str, model: type[Line], table_of: Callable[[str], Table], naming: Naming, mistakes: list[str]) -> list[Any]:
    """The lines that can be read; the others, and rows without anything in them, are left out."""
    try:
        table = table_of(name)
        faults = [] if table is NOTHING else list(_header_faults(table.columns, model))
        rows = [] if faults else list(table.rows)
    except RegistryFault as fault:
        mistakes += fault.mistakes
        return []
    mistakes += [f"{naming.line.format(name, 1)}: {fault}" for fault in faults]
    lines = []
    for row in rows:
        wrong = list(row.mistakes)
        if not wrong and any(isinstance(text, str) and text.strip() for text in row.fields.values()):
            try:
                lines.append(model.model_validate({**row.fields, "line_number": row.number}))
            except ValidationError as error:
                wrong = [_said(detail) for detail in error.errors(include_url=False)]
        mistakes += [f"{naming.line.format(name, row.number)}: {text}" for text in wrong]
    return lines


def _header_faults(columns: Sequence[str], model: type[Line]) -> Iterator[str]:
    """Columns that stand twice, are missing or strange: told once a file, not once a line."""
    if len(set(columns)) < len(columns) or "line_number" in columns:
        yield "a column stands twice in the header, or is called line_number"
        return
    fields = {field.alias or name: field for name, field in model.model_fields.items() if name not in Line.model_fields}
    for name, field in fields.items():
        if field.is_required() and name not in columns:
            yield f"{name}: this column is missing; docs/registry.md names them all"
    for name in columns:
        if name and name not in fields:
            yield f"{name}: there is no such column; correct its name, or leave it out"


def _said(detail: Any) -> str:
    column = ".".join(str(part) for part in detail["loc"][:1]).removesuffix("_")
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "missing":  # what was found is the whole line
        return f"{column}: {message}"
    return f"{column}: {message} (found {detail['input']!r})" if column else message


def _places(files: Files, _naming: Naming) -> list[Mistake]:
    return misplaced(files, _zones(files))


def _cross_checks(files: Files, naming: Naming) -> list[Mistake]:
    """Names that lines of one file use and another must define, and keys that may stand only once."""
    zone_of = _zones(files)
    return [
        *_unknown_names(files, naming),
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


def _unknown_names(files: Files, naming: Naming) -> Iterator[Mistake]:
    regions = {line.region for line in files["regions"]}
    institutions = {line.institution for line in files["institutions"]}
    real = {(line.institution, line.medium, line.meter) for line in files["meters"]}
    virtual = {(line.institution, line.medium, line.meter) for line in files["virtual_meters"]}
    for line in files["institutions"]:
        if line.region not in regions:
            yield _at("institutions", line, f"region: {line.region!r} is not in {naming.file.format('regions')}; add it there")
    for name in ("denominators", "meters", "virtual_meters", "pv_rules", "chargers"):
        for line in files[name]:
            if line.institution not in institutions:
                yield _at(
                    name, line, f"institution: {line.institution!r} is not in {naming.file.format('institutions')}; add it there"
                )
    for line in files["chargers"]:
        if (line.institution, Medium.CHARGER, line.charger) not in real:
            yield _at(
                "chargers",
                line,
                f"charger: {line.charger!r} is no meter of medium charger; add it to {naming.file.format('meters')}",
            )
    for line in files["virtual_meters"]:
        if (line.institution, line.medium, line.meter) in real:
            yield _at(
                "virtual_meters",
                line,
                f"meter: {line.meter!r} is a meter in {naming.file.format('meters')}; give the virtual one another code",
            )
    for name in ("meters", "virtual_meters"):
        for line in files[name]:
            media = (line.medium, Medium.ELECTRICITY) if line.medium is Medium.CHARGER else (line.medium,)
            if line.parent and not {(line.institution, medium, line.parent) for medium in media} & (real | virtual):
                text = f"parent: {line.parent!r} is no meter of the institution and medium; add it or leave it empty"
                yield _at(name, line, text)


def _exchanges_of_nobody(files: Files, zone_of: dict[str, str]) -> Iterator[Mistake]:
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


def _twice(name: str, lines: Iterable[Any], key: Callable[[Any], tuple[Any, ...]]) -> Iterator[Mistake]:
    first: dict[tuple[Any, ...], int] = {}
    for line in lines:
        if key(line) in first:
            what = "/".join(str(part) for part in key(line))
            yield _at(name, line, f"{what!r} stands already in line {first[key(line)]}; remove one of them")
        first.setdefault(key(line), line.line_number)


def _overlaps(
    name: str, lines: Iterable[Any], key: Callable[[Any], tuple[Any, ...]], zone: Callable[[Any], str]
) -> Iterator[Mistake]:
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


def _contradicting_quotas(lines: Sequence[QuotaLine]) -> Iterator[Mistake]:
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


def _at(name: str, line: Line, text: str) -> Mistake:
    return name, line.line_number, text
