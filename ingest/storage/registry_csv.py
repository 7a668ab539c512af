"""Registry files -> checked lines. The columns are described in docs/registry.md."""

import csv
from functools import partial
from pathlib import Path
from typing import Any

from ingest.storage.registry_checks import NOTHING, OPTIONAL, Files, Naming, RegistryFault, Row, Table, check


def read_files(directory: Path) -> Files:
    """The checked lines of every registry file in a directory. Raises RegistryFault with all mistakes."""
    return check(partial(_table_of, directory), Naming("{}.csv", "{}.csv:{}"))


def _table_of(directory: Path, name: str) -> Table:
    path = directory / f"{name}.csv"
    if not path.exists():
        if name in OPTIONAL:
            return NOTHING
        raise RegistryFault([f"{path}: missing; write it with the columns in docs/registry.md"])
    try:
        return _table(path)
    except UnicodeDecodeError as error:
        raise RegistryFault([f"{path}: not UTF-8; save it as UTF-8 (a spreadsheet offers 'CSV UTF-8')"]) from error
    except csv.Error as error:
        raise RegistryFault([f"{path}: {error}; open it in a spreadsheet and save it again as CSV"]) from error


def _table(path: Path) -> Table:
    """The header, and the lines under its names, each with the number of the file's line it ends in; lines of blanks left out."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        columns = list(reader.fieldnames or ())
        if len(columns) == 1 and (separator := next((sign for sign in ";\t" if sign in columns[0]), None)):
            raise RegistryFault([f"{path.stem}.csv:1: fields are parted by {separator!r}; save it as CSV with commas"])
        return Table(columns, [_row(reader.line_num, fields) for fields in reader if not _is_blank(fields)])


def _row(number: int, fields: dict[str | Any, Any]) -> Row:
    more = ["more fields than the header has columns; quote fields that hold a comma"] if None in fields else []
    return Row(number, fields, more)


def _is_blank(fields: dict[str | Any, Any]) -> bool:
    """Nothing but commas, as spreadsheets write below a table."""
    texts = [text for value in fields.values() for text in (value if isinstance(value, list) else [value])]
    return not any((text or "").strip() for text in texts)
