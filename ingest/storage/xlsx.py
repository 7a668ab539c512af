"""Excel workbooks: opened without trust, read row by row, each cell as the text that somebody meant.

openpyxl reads what all sheets share: their names, strings and formats. Its own loop over rows keeps something of every row, and
tells neither merged cells nor a formula without a value; so the loop is ours, and its parser reads one row at a time.
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple
from zipfile import BadZipFile, ZipFile

from openpyxl.reader.excel import ExcelReader
from openpyxl.styles.numbers import BUILTIN_FORMATS, STRIP_RE, is_datetime
from openpyxl.styles.stylesheet import apply_stylesheet
from openpyxl.worksheet._reader import DATA_TAG, FORMULA_TAG, ROW_TAG, VALUE_TAG, WorkSheetParser
from openpyxl.xml.constants import SHEET_MAIN_NS
from openpyxl.xml.functions import iterparse

MAX_UNPACKED: Final = 64 * 2**20
"""Bytes of all parts together; a hundred thousand meters take 50 MiB as Excel saves them (computed from 20,000)."""
MAX_SHARED: Final = 4 * 2**20
"""Bytes of a part other than sheets, strings and pictures; openpyxl makes objects of all of it."""
MAX_ELEMENTS: Final = 500_000
"""XML elements between the ends of two rows, which are held; Excel knows 16,384 columns."""
_BULK: Final = ("xl/worksheets/", "xl/sharedStrings.xml", "xl/media/")
_OLE: Final = bytes.fromhex("d0cf11e0a1b11ae1")
_SHEET: Final = f"{{{SHEET_MAIN_NS}}}worksheet"
_MERGED: Final = f"{{{SHEET_MAIN_NS}}}mergeCell"
_CHINESE_DATES: Final = frozenset({*range(27, 37), *range(50, 59)})
"""Formats such as 2026年1月5日 that an Excel in Chinese knows by number alone; openpyxl takes them for plain numbers."""
_OWN_FORMATS: Final = 164
"""The number of a workbook's first own format."""
_PLAIN: Final = re.compile(r"\s*(general|g/通用格式|@|[#0?,]+(\.[0#?]*)?)\s*", re.IGNORECASE)
_SPACING: Final = re.compile(r'_.|\*.|\\ |\[[^\]]*\]|"\s*"')
_DIGITS: Final = 15
"""As many of a number Excel keeps."""


class WorkbookFault(Exception):  # noqa: N818 - a verdict on a file, not a fault of the program
    """The file cannot be read; says which one, and what to do."""


class CellFault(Exception):  # noqa: N818 - a verdict on a cell
    """What the cell holds cannot be told; says what to do."""


class Cell(NamedTuple):
    """A cell that is not empty: its column, counted from 1, what it holds, of what type, and the format it is shown in."""

    column: int
    held: Any
    kind: str
    shown: str


class Workbook:
    """A workbook whose sheets are read one by one. Raises WorkbookFault, like everything it does, where the file is no good."""

    def __init__(self, path: Path) -> None:
        """Open it, as far as its size allows."""
        self._path = path
        _screen(path)
        with self._read():
            self._reader: Any = ExcelReader(path, read_only=True, data_only=True, keep_links=False)
            self._reader.read_manifest()
            self._reader.read_strings()
            self._reader.read_workbook()
            apply_stylesheet(self._reader.archive, self._reader.wb)
            self._sheets = {sheet.name: (sheet.state, rel.target) for sheet, rel in self._reader.parser.find_sheets()}

    def close(self) -> None:
        """Close the file."""
        self._reader.archive.close()

    @property
    def titles(self) -> dict[str, bool]:
        """The sheets by their names, and whether each is seen."""
        return {title: state == "visible" for title, (state, _) in self._sheets.items()}

    def rows(self, title: str) -> tuple[list[tuple[int, list[Cell]]], list[str]]:
        """The rows of a sheet that hold anything, each with its number, and the ranges of merged cells, such as A2:A4."""
        with self._read(), self._reader.archive.open(self._sheets[title][1]) as source:
            book, styles = self._reader.wb, self._reader.wb._cell_styles
            dates = {number for number, style in enumerate(styles) if style.numFmtId in _CHINESE_DATES}
            parser = _Rows(
                source, self._reader.shared_strings, data_only=True, epoch=book.epoch,
                date_formats=book._date_formats | dates, timedelta_formats=book._timedelta_formats,
            )  # fmt: skip
            rows = [(number, [self._cell(cell) for cell in cells]) for number, cells in parser.rows() if cells]
            return rows, parser.ranges

    def _cell(self, cell: dict[str, Any]) -> Cell:
        number = self._reader.wb._cell_styles[cell["style_id"]].numFmtId
        known = BUILTIN_FORMATS.get(number, "General")
        shown = known if number < _OWN_FORMATS else self._reader.wb._number_formats[number - _OWN_FORMATS]
        return Cell(cell["column"], cell["value"], cell["data_type"], shown)

    @contextmanager
    def _read(self) -> Iterator[None]:
        try:
            with warnings.catch_warnings(action="ignore"):  # of what is in a workbook beside cells
                yield
        except Exception as error:  # whatever is wrong with a file arises somewhere in openpyxl, under any name
            what = f"{self._path}: not an Excel workbook, or a damaged one ({type(error).__name__})"
            raise WorkbookFault(f"{what}; open it in a spreadsheet and save it as .xlsx") from error


class _Rows(WorkSheetParser):
    """Row by row, keeping nothing of what it has read but merged ranges."""

    def rows(self) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        """Number and cells of every row, without the cells that are empty."""
        self.ranges: list[str] = []
        lines: Any = None
        elements = 0
        events = iter(iterparse(self.source, ("start", "end")))
        if next(events)[1].tag != _SHEET:
            raise ValueError("a sheet of another format, such as a chart, or Strict Open XML")
        for event, element in events:
            if event == "start":
                lines = element if element.tag == DATA_TAG else lines
                elements += 1
                if elements > MAX_ELEMENTS:
                    raise ValueError("a row without an end")
            elif element.tag == ROW_TAG:
                elements = 0
                yield self.parse_row(element)
                self.row_dimensions.clear()
                lines.clear()
            elif element.tag == _MERGED:
                self.ranges.append(element.get("ref", ""))

    def parse_row(self, row: Any) -> tuple[int, list[dict[str, Any]]]:
        """As openpyxl, without empty cells."""
        number, cells = super().parse_row(row)
        return number, [cell for cell in cells if cell["value"] is not None or cell["data_type"] == "f"]

    def parse_cell(self, element: Any) -> dict[str, Any]:
        """As openpyxl, a formula without a value being one of type f. Text that is empty is a value."""
        cell: dict[str, Any] = super().parse_cell(element)
        if element.find(FORMULA_TAG) is not None and not element.findtext(VALUE_TAG) and element.get("t") != "str":
            cell["data_type"] = "f"
        return cell


def _screen(path: Path) -> None:
    """Refuse what is no workbook, and what would take too much memory, before anything is unpacked."""
    try:
        with path.open("rb") as file:
            if file.read(len(_OLE)) == _OLE:
                raise WorkbookFault(f"{path}: an old .xls file, or one with a password; save it as .xlsx without a password")
        with ZipFile(path) as archive:
            parts = archive.infolist()
    except BadZipFile as error:
        raise WorkbookFault(
            f"{path}: not an Excel workbook, or a damaged one; open it in a spreadsheet and save it as .xlsx"
        ) from error
    except OSError as error:
        raise WorkbookFault(f"{path}: {error.strerror or error}") from error
    if sum(part.file_size for part in parts) > MAX_UNPACKED:
        raise WorkbookFault(
            f"{path}: larger than {MAX_UNPACKED >> 20} MiB unpacked; delete the blank rows below the last line, and pictures"
        )
    if any(part.file_size > MAX_SHARED for part in parts if not part.filename.startswith(_BULK)):
        raise WorkbookFault(f"{path}: has too many formats; copy the values of its sheets into a new workbook")


def is_moment(cell: Cell) -> bool:
    """Whether the cell holds a date or a time."""
    return isinstance(cell.held, date | time | timedelta)


def text(cell: Cell) -> str:
    """What the cell says, as it would be typed into a CSV file. Raises CellFault where that cannot be known."""
    match cell.held:
        case _ if cell.kind == "f":
            raise CellFault("the formula has no value; open the workbook in a spreadsheet and save it, or write the value")
        case _ if cell.kind == "e":
            raise CellFault(f"the cell shows {cell.held}; correct its formula, or write the value")
        case bool(held):
            return str(held).upper()
        case int(held) | float(held):
            return _number(held, cell.shown)
        case datetime() as held:
            shows_time = is_datetime(STRIP_RE.sub("", cell.shown.lower())) == "datetime"
            return held.isoformat() if held.time() != time() or shows_time else held.date().isoformat()
        case held:
            return str(held)


def _number(number: float, shown: str) -> str:
    """Its digits, with the zeros that its format puts before them."""
    shown = _SPACING.sub("", shown.partition(";")[0])
    if not _PLAIN.fullmatch(shown):
        raise CellFault(
            f"a number that is shown in another way ({shown}); format a code as text and type it again, a number as General"
        )
    if not abs(number) < 10**_DIGITS:
        raise CellFault("a number of more than 15 digits, of which Excel keeps 15; format the cell as text and type it again")
    if re.fullmatch("00+", shown) and number == int(number):
        return f"{int(number):0{len(shown)}d}"
    return format(Decimal(f"{number:.{_DIGITS}g}"), "f")
