"""Files that are no workbook, are damaged or mean harm: refused with what to do, before they take memory or time."""

import os
import re
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from openpyxl import load_workbook
from openpyxl.xml.functions import iterparse

from ingest.storage import xlsx
from ingest.storage.registry_xlsx import read_workbook
from tests.databases import ROOT
from tests.registries import institution, meter
from tests.workbooks import as_excel_saves, refused, replaced, rows, workbook

MAIN = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
SHEET = b'<worksheet xmlns="' + MAIN + b'"><sheetData>%s</sheetData></worksheet>'
METERS = "xl/worksheets/sheet4.xml"
SAVE_AGAIN = "; open it in a spreadsheet and save it as .xlsx"
MIB = 2**20


def good(directory: Path) -> Path:
    """A registry that can be imported."""
    return as_excel_saves(workbook(directory / "registry.xlsx"))


def without(part: str) -> Callable[[Path], None]:
    """Takes a part of a workbook away."""

    def cut(path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            held = {name: archive.read(name) for name in archive.namelist() if name != part}
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in held.items():
                archive.writestr(name, content)

    return cut


@pytest.mark.parametrize(
    "content",
    [b"", b"region,name\n", b"<html><table>", b"PK\x03\x04 and no more", b"PK\x05\x06" + bytes(18)],
    ids=["empty", "csv", "html", "cut off", "zip of nothing"],
)
def test_what_is_no_workbook_is_refused(tmp_path: Path, content: bytes) -> None:
    """Whatever its name says; many programs write tables of HTML and call them .xls."""
    path = tmp_path / "registry.xlsx"
    path.write_bytes(content)
    [mistake] = refused(path)

    assert mistake.startswith(f"{path}: not an Excel workbook, or a damaged one")
    assert mistake.endswith(SAVE_AGAIN)


def test_an_old_or_locked_workbook_is_refused(tmp_path: Path) -> None:
    """Excel's format before 2007, and whatever has a password, begin with the same eight bytes."""
    path = tmp_path / "registry.xlsx"
    path.write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504))

    assert [f"{path}: an old .xls file, or one with a password; save it as .xlsx without a password"] == refused(path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        lambda path: replaced(path, {METERS: lambda part: part[: len(part) // 2]}),
        lambda path: replaced(path, {METERS: lambda part: part.replace(b"<v>", b"<v>9")}),
        lambda path: replaced(path, {METERS: lambda part: part.replace(b' t="s"', b' t="s" s="99"')}),
        lambda path: replaced(path, {METERS: SHEET % b'<row r="1"><c r="A1"><v>many</v></c></row>'}),
        lambda path: replaced(path, {"xl/styles.xml": b"<styleSheet"}),
        lambda path: replaced(path, {"[Content_Types].xml": lambda part: part.replace(b"sheet.main+xml", b"sheet.binary")}),
        lambda path: replaced(path, {METERS: lambda part: part.replace(MAIN, b"http://purl.oclc.org/ooxml/spreadsheetml/main")}),
        without(METERS),
        without("xl/sharedStrings.xml"),
        without("[Content_Types].xml"),
    ],
    ids=["cut", "sheet cut", "strings beyond", "styles beyond", "no number", "styles", "xlsb", "strict", "no sheet", "no strings",
         "no types"],
)  # fmt: skip
def test_a_damaged_workbook_is_refused(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    """By one sentence, and no traceback."""
    path = good(tmp_path)
    damage(path)
    [mistake] = refused(path)

    assert mistake.startswith(f"{path}: not an Excel workbook, or a damaged one")
    assert mistake.endswith(SAVE_AGAIN)


def test_a_workbook_with_a_locked_part_is_refused(tmp_path: Path) -> None:
    """Locked as an archive, not by Excel."""
    path = good(tmp_path)
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo("[Content_Types].xml").header_offset
        central = archive.start_dir
    content = bytearray(path.read_bytes())
    for offset in (at + 6, content.index(b"[Content_Types].xml", central) - 46 + 8):
        content[offset : offset + 2] = struct.pack("<H", 1)
    path.write_bytes(content)

    assert [f"{path}: not an Excel workbook, or a damaged one (RuntimeError){SAVE_AGAIN}"] == refused(path)


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """A hundred megabytes of blanks are a hundred kilobytes packed."""
    path = replaced(good(tmp_path), {"xl/media/picture.png": bytes(xlsx.MAX_UNPACKED)})
    tracemalloc.start()
    mistakes = refused(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert [f"{path}: larger than 64 MiB unpacked; delete the blank rows below the last line, and pictures"] == mistakes
    assert path.stat().st_size < MIB
    assert peak < MIB


def test_formats_without_number_are_refused(tmp_path: Path) -> None:
    """A short tag becomes an object of hundreds of bytes; some workbooks have gathered formats for years."""
    path = replaced(good(tmp_path), {"xl/styles.xml": lambda part: part + b" " * xlsx.MAX_SHARED})

    assert [f"{path}: has too many formats; copy the values of its sheets into a new workbook"] == refused(path)


@pytest.mark.parametrize("part", [METERS, "xl/sharedStrings.xml", "xl/workbook.xml", "xl/styles.xml", "[Content_Types].xml"])
def test_entities_are_refused_in_every_part(tmp_path: Path, part: str) -> None:
    """A billion laughs in a line; and no file of this machine is read for one."""
    bomb = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>'
    path = replaced(good(tmp_path), {part: lambda content: bomb + re.sub(rb"<\?xml.*?\?>", b"", content)})

    assert [f"{path}: not an Excel workbook, or a damaged one (EntitiesForbidden){SAVE_AGAIN}"] == refused(path)


def test_openpyxl_reads_xml_with_the_careful_parser() -> None:
    """It does so only where defusedxml is installed."""
    assert iterparse.__module__.startswith("defusedxml")


def test_neither_the_service_nor_another_command_loads_openpyxl() -> None:
    """It takes half a second, and its faults would be theirs."""
    code = "import sys, ingest.cli, ingest.service; sys.exit(int('openpyxl' in sys.modules))"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)})


@pytest.mark.parametrize(
    "row",
    [b"<row r='2'>" + b"<c><v>1</v></c>" * 260_000 + b"</row>", b"<row><c>" + b"<a>" * 600_000],
    ids=["wide", "deep"],
)
def test_a_row_without_an_end_is_refused(tmp_path: Path, row: bytes) -> None:
    """A row is held whole, so it must not be as long as the file."""
    path = replaced(good(tmp_path), {METERS: SHEET % row})

    assert [f"{path}: not an Excel workbook, or a damaged one (ValueError){SAVE_AGAIN}"] == refused(path)


def test_a_huge_dimension_is_not_believed(tmp_path: Path) -> None:
    """What a sheet declares is no measure; a cell in the last corner is one cell."""
    dimension = b'<dimension ref="A1:XFD1048576"/><sheetData'
    path = replaced(good(tmp_path), {METERS: lambda part: part.replace(b"<sheetData", dimension)})
    assert 2 == len(read_workbook(path)["meters"])

    corner = b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    replaced(path, {METERS: lambda part: part.replace(b"</sheetData>", corner)})
    assert ["sheet meters, row 1048576: XFD: its column has no name in row 1; give it one, or empty the cell"] == refused(path)


def test_blank_rows_leave_nothing_behind(tmp_path: Path) -> None:
    """A sheet may have a million of them, each with its height."""
    path = good(tmp_path)
    blank = b"".join(b'<row r="%d" ht="15" customHeight="1"><c r="A%d" s="0"/></row>' % (row, row) for row in range(9, 40_000))
    replaced(path, {METERS: lambda part: part.replace(b"</sheetData>", blank + b"</sheetData>")})
    tracemalloc.start()
    files = read_workbook(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert 2 == len(files["meters"])
    assert peak < 4 * MIB


def test_what_stands_beside_cells_is_not_looked_at(tmp_path: Path) -> None:
    """Extensions, conditional formats, names that point nowhere: of no meaning here, and no mistake."""
    beside = b'</sheetData><conditionalFormatting sqref="A1"><cfRule type="none"/></conditionalFormatting><extLst/>'
    names = b'<definedNames><definedName name="x" localSheetId="77">nowhere!A1</definedName></definedNames><calcPr'
    path = replaced(good(tmp_path), {
        METERS: lambda part: part.replace(b"</sheetData>", beside),
        "xl/workbook.xml": lambda part: part.replace(b"<calcPr", names),
        "docProps/core.xml": b"<nothing",
    })  # fmt: skip

    assert 2 == len(read_workbook(path)["meters"])


def test_a_chart_of_meters_is_no_sheet_of_meters(tmp_path: Path) -> None:
    """It would be one without lines."""
    path = good(tmp_path)
    book = load_workbook(path)
    book.remove(book["meters"])
    book.create_chartsheet("meters")
    book.save(path)

    assert [f"{path}: not an Excel workbook, or a damaged one (ValueError){SAVE_AGAIN}"] == refused(path)


def test_a_large_registry_is_small_enough(tmp_path: Path) -> None:
    """Five thousand meters are far below what is refused."""
    meters = rows([meter(f"E{number}") for number in range(5_000)])
    path = workbook(tmp_path / "registry.xlsx", meters=meters, institutions=rows([_named(institution())]))
    with zipfile.ZipFile(path) as archive:
        assert sum(part.file_size for part in archive.infolist()) * 16 < xlsx.MAX_UNPACKED

    assert 5_000 == len(read_workbook(path)["meters"])


def _named(line: dict[str, object]) -> dict[str, object]:
    return {name: held for name, held in line.items() if name not in ("area", "people")}
