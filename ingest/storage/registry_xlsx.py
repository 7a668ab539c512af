"""A workbook with a sheet for each registry file -> checked lines; sheets, columns and checks are those of the files."""

import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final

from openpyxl.utils import get_column_letter

from ingest.storage.registry_checks import NOTHING, OPTIONAL, Files, Naming, RegistryFault, Row, Table, check
from ingest.storage.registry_lines import FILES
from ingest.storage.xlsx import Cell, CellFault, Workbook, WorkbookFault, is_moment, text

NAMING: Final = Naming("sheet {}", "sheet {}, row {}")
DATES: Final = frozenset({"valid_from", "valid_to", "exchanged_at", "commissioned_on"})
"""Columns in which a date stands. Elsewhere one is what Excel made of a code such as 3-5."""


def read_workbook(path: Path, note: Callable[[str], None] = lambda _: None) -> Files:
    """The checked lines of every sheet of a registry; `note` is told of sheets that are not read, or not seen.

    Raises RegistryFault with all mistakes.
    """
    try:
        book = Workbook(path)
        try:
            for title, seen in book.titles.items():
                if title in FILES and not seen:
                    note(f"sheet {title} is hidden, and read all the same")
                elif title not in FILES:
                    note(f"sheet {title} is none of the registry's, and not read")
            return check(partial(_table_of, book), NAMING)
        finally:
            book.close()
    except WorkbookFault as fault:
        raise RegistryFault([str(fault)]) from fault


def _table_of(book: Workbook, name: str) -> Table:
    if name not in book.titles:
        if alike := [title for title in book.titles if _plain(title) == _plain(name)]:
            raise RegistryFault([f"sheet {alike[0]}: is this {name}? name it so"])
        if name in OPTIONAL:
            return NOTHING
        raise RegistryFault([f"sheet {name}: missing; add it with the columns in docs/registry.md"])
    rows, merged = book.rows(name)
    if merged:
        raise RegistryFault([f"sheet {name}: cells {cells} are merged; part them and fill each one" for cells in merged])
    if not rows:
        return Table((), ())
    columns = _columns(name, *rows[0])
    return Table(list(columns.values()), [_row(number, cells, columns) for number, cells in rows[1:]])


def _plain(title: str) -> str:
    """Without what is easily mistyped."""
    return re.sub(r"[\W_]+", "", title.lower()).removesuffix("s")


def _columns(name: str, number: int, cells: Iterable[Cell]) -> dict[int, str]:
    """The names of columns, by their numbers."""
    try:
        columns = {cell.column: said for cell in cells if (said := text(cell))}
    except CellFault as fault:
        raise RegistryFault([f"{NAMING.line.format(name, number)}: {fault}"]) from fault
    if number != 1:
        raise RegistryFault([f"sheet {name}, row 1: empty; the names of the columns belong here"])
    return columns


def _row(number: int, cells: Iterable[Cell], columns: dict[int, str]) -> Row:
    fields: dict[str, str] = {}
    mistakes = []
    for cell in cells:
        column = columns.get(cell.column)
        try:
            said = text(cell)
        except CellFault as fault:
            mistakes.append(f"{column or get_column_letter(cell.column)}: {fault}")
            continue
        if column is None and said.strip():
            mistakes.append(f"{get_column_letter(cell.column)}: its column has no name in row 1; give it one, or empty the cell")
        elif column is not None and column not in DATES and is_moment(cell):
            mistakes.append(f"{column}: a date, where none belongs (found {said!r}); format the cell as text and type it again")
        elif column is not None:
            fields[column] = said
    return Row(number, fields, mistakes)
