"""Registries as Excel workbooks: made of the CSV files, with cells as text or as Excel would make them of what is typed."""

import csv
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.cell import Cell
from openpyxl.worksheet.worksheet import Worksheet

from ingest.storage.registry_checks import RegistryFault
from ingest.storage.registry_lines import FILES
from ingest.storage.registry_xlsx import read_workbook
from tests import registries


def typed(text: str) -> Any:
    """What Excel makes of typed text: a number, a date, or the text."""
    if re.fullmatch(r"0|-?[1-9]\d{0,14}", text):
        return int(text)
    if re.fullmatch(r"-?\d{1,9}\.\d{1,6}", text):
        return float(text)
    return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else text


def workbook_of(directory: Path, cell: Callable[[str], Any] = str) -> Path:
    """The workbook of a directory, beside it: a sheet a file, a row a line."""
    book = Workbook(write_only=True)
    for path in sorted(directory.glob("*.csv")):
        sheet = book.create_sheet(path.stem)
        with path.open(encoding="utf-8-sig", newline="") as file:
            for line in csv.reader(file):
                sheet.append([cell(text) if text else None for text in line])
    made = directory.with_suffix(".xlsx")
    book.save(made)
    return made


def workbook(path: Path, **sheets: Iterable[Iterable[Any]]) -> Path:
    """A good registry of two meters, some of its sheets with other rows."""
    book = Workbook()
    book.remove(book.active)
    of_files = workbook_rows(registries.write_files(path.with_suffix("")))
    for name, rows in {**of_files, **sheets}.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    book.save(path)
    return path


def workbook_rows(directory: Path) -> dict[str, list[list[str]]]:
    """The rows of every file."""
    rows = {}
    for name in FILES:
        if (directory / f"{name}.csv").exists():
            with (directory / f"{name}.csv").open(encoding="utf-8", newline="") as file:
                rows[name] = list(csv.reader(file))
    return rows


def rows(lines: Iterable[Mapping[str, Any]]) -> list[list[Any]]:
    """Lines as rows, their columns in the first."""
    lines = list(lines)
    columns = list(dict.fromkeys(name for line in lines for name in line))
    return [columns, *([line.get(name) for name in columns] for line in lines)]


def changed(path: Path, cell: str, held: Any, shown: str = "General") -> Path:
    """A good workbook, one cell of its sheet meters holding something else, shown in a format."""
    workbook(path, meters=rows([registries.meter("E7", gateway="G1", ratio=1), registries.meter("E8", gateway="G1", ratio=1)]))
    book = load_workbook(path)
    of_meters = book["meters"]
    assert isinstance(of_meters, Worksheet)
    there = of_meters[cell]
    assert isinstance(there, Cell)
    there.value, there.number_format = held, shown
    book.save(path)
    return path


def first_meter(path: Path) -> Any:
    """The first line of its meters."""
    return read_workbook(path)["meters"][0]


def replaced(path: Path, parts: Mapping[str, bytes | Callable[[bytes], bytes]]) -> Path:
    """The workbook with other parts; new ones are added."""
    with zipfile.ZipFile(path) as archive:
        held: dict[str, bytes] = {name: archive.read(name) for name in archive.namelist()}
    for name, part in parts.items():
        held[name] = part if isinstance(part, bytes) else part(held[name])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in held.items():
            archive.writestr(name, part)
    return path


def as_excel_saves(path: Path) -> Path:
    """The workbook with its texts in a table of their own, as Excel writes them; openpyxl leaves them in their cells."""
    texts: list[bytes] = []

    def shared(sheet: bytes) -> bytes:
        return re.sub(rb' t="inlineStr"><is>(.*?)</is>', lambda found: b' t="s"><v>%d</v>' % _place(texts, found[1]), sheet)

    with zipfile.ZipFile(path) as archive:
        sheets = {name: shared(archive.read(name)) for name in archive.namelist() if name.startswith("xl/worksheets/")}
    table = b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">%s</sst>'
    kind = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    return replaced(path, {
        **sheets,
        "xl/sharedStrings.xml": table % b"".join(b"<si>%s</si>" % text for text in texts),
        "[Content_Types].xml": lambda types: types.replace(
            b"</Types>", b'<Override PartName="/xl/sharedStrings.xml" ContentType="%s"/></Types>' % kind
        ),
    })  # fmt: skip


def _place(texts: list[bytes], text: bytes) -> int:
    if text not in texts:
        texts.append(text)
    return texts.index(text)


def refused(path: Path) -> list[str]:
    """What is wrong with a workbook; pytest fails where nothing is."""
    with pytest.raises(RegistryFault) as fault:
        read_workbook(path)
    return fault.value.mistakes


def mistakes_in(directory: Path) -> list[str]:
    """What is wrong with a registry's files, once it is seen that their workbook has the same mistakes at the same places."""
    found = registries.mistakes_in(directory)
    assert [of_sheets(mistake, directory) for mistake in found] == refused(workbook_of(directory))
    return found


def of_sheets(mistake: str, directory: Path) -> str:
    """A mistake of files as one of sheets."""
    missing = re.sub(f"^{re.escape(str(directory))}/(\\w+).csv: missing; write", r"sheet \1: missing; add", mistake)
    placed = re.sub(r"^(\w+)\.csv:(\d+): ", r"sheet \1, row \2: ", missing)
    return re.sub(r"\b(regions|institutions|meters)\.csv", r"sheet \1", placed)
