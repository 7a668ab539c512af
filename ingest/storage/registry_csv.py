"""Registry files -> checked lines. The columns are described in docs/registry.md."""

import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ingest.storage.registry_checks import OPTIONAL, Files, Naming, RegistryFault, Row, check, header_fault


def read_files(directory: Path) -> Files:
    """The checked lines of every registry file in a directory. Raises RegistryFault with all mistakes."""
    return check(partial(_rows_of, directory), Naming("{}.csv", "{}.csv:{}"))


def _rows_of(directory: Path, name: str) -> list[Row]:
    path = directory / f"{name}.csv"
    if not path.exists():
        if name in OPTIONAL:
            return []
        raise RegistryFault([f"{path}: missing; write it with the columns in docs/registry.md"])
    try:
        return list(_rows(path))
    except UnicodeDecodeError as error:
        raise RegistryFault([f"{path}: not UTF-8; save it as UTF-8 (a spreadsheet offers 'CSV UTF-8')"]) from error
    except csv.Error as error:
        raise RegistryFault([f"{path}: {error}; open it in a spreadsheet and save it again as CSV"]) from error


def _rows(path: Path) -> Iterator[Row]:
    """The lines of a file under their column names, each with the number of the file's line it ends in."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if wrong := header_fault(list(reader.fieldnames or ())):
            raise csv.Error(wrong)
        for fields in reader:
            more = ["more fields than the header has columns; quote fields that hold a comma"] if None in fields else []
            yield Row(reader.line_num, fields, more)
