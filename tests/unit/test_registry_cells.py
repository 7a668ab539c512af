"""Cells of a registry's workbook: what is typed or seen is what is read; what cannot be known is named with its place."""

from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from ingest.storage.registry_lines import FILES
from ingest.storage.registry_xlsx import DATES, read_workbook
from tests.registries import QUOTAS
from tests.workbooks import as_excel_saves, changed, first_meter, refused, replaced, rows, workbook

MOMENT = "write a date such as 2026-01-01, or a time with its offset, such as 2026-01-01T08:00:00+08:00"
TYPED_ANEW = "format a code as text and type it again, a number as General"


@pytest.mark.parametrize(
    ("held", "shown", "code"),
    [
        (12345678901, "General", "12345678901"),
        (12345678901.0, "0", "12345678901"),
        (999999999999999, "General", "999999999999999"),
        ("0012", "General", "0012"),
        (12, "0000", "0012"),
        (12, "G/通用格式", "12"),
        (12.0, "00000000_ ", "00000012"),
        ("1E05", "General", "1E05"),
        ("3-5", "@", "3-5"),
        (100000, "General", "100000"),
        (7, "@", "7"),
    ],
)
def test_a_code_is_the_digits_that_are_seen(tmp_path: Path, held: Any, shown: str, code: str) -> None:
    """Also where Excel has made a number of it, with zeros before it by its format."""
    assert code == first_meter(changed(tmp_path / "r.xlsx", "C2", held, shown)).meter


@pytest.mark.parametrize(
    ("held", "shown", "expected"),
    [
        (100000, "0.00E+00", f"a number that is shown in another way (0.00E+00); {TYPED_ANEW}"),
        (12, '"E"0', f'a number that is shown in another way ("E"0); {TYPED_ANEW}'),
        (12345678, "0000-0000", f"a number that is shown in another way (0000-0000); {TYPED_ANEW}"),
        (0.8, "0%", f"a number that is shown in another way (0%); {TYPED_ANEW}"),
        (12, '0" kW"', f'a number that is shown in another way (0" kW"); {TYPED_ANEW}'),
        (0.5, "# ?/?", f"a number that is shown in another way (# ?/?); {TYPED_ANEW}"),
        (1234567890123456, "0",
         "a number of more than 15 digits, of which Excel keeps 15; format the cell as text and type it again"),
        (date(2026, 3, 5), "m-d", "a date, where none belongs (found '2026-03-05'); format the cell as text and type it again"),
        (time(3, 5), "h:mm", "a date, where none belongs (found '03:05:00'); format the cell as text and type it again"),
        ("=A1", "General", "the formula has no value; open the workbook in a spreadsheet and save it, or write the value"),
        ("#N/A", "General", "the cell shows #N/A; correct its formula, or write the value"),
    ],
)  # fmt: skip
def test_a_code_that_excel_made_something_else_of_is_refused(tmp_path: Path, held: Any, shown: str, expected: str) -> None:
    """1E05 became a number, 3-5 a day in March, a long code lost its last digits: none of them is guessed back."""
    assert [f"sheet meters, row 3: meter: {expected}"] == refused(changed(tmp_path / "r.xlsx", "C3", held, shown))


@pytest.mark.parametrize(
    ("held", "shown", "ratio"),
    [(0.1, "General", "0.1"), (0.3, "0.00", "0.3"), (80.0, "0.0", "80"), (1200, "#,##0", "1200"), (0.001, "General", "0.001"),
     (40, "_ * #,##0.00_ ;_ * -#,##0.00_ ", "40"), ("80.125", "General", "80.125"), (1e5, "General", "100000")],
)  # fmt: skip
def test_a_number_is_the_one_excel_shows(tmp_path: Path, held: Any, shown: str, ratio: str) -> None:
    """Of fifteen digits, without what its binary form adds."""
    assert Decimal(ratio) == first_meter(changed(tmp_path / "r.xlsx", "J2", held, shown)).ratio


def test_a_number_that_excel_has_computed_is_the_one_it_shows(tmp_path: Path) -> None:
    """It stores seventeen digits of 0.1 + 0.2, and shows fifteen at most."""
    path = changed(tmp_path / "r.xlsx", "J2", 0.75)
    replaced(path, {"xl/worksheets/sheet4.xml": lambda part: part.replace(b"<v>0.75</v>", b"<v>0.30000000000000004</v>")})

    assert Decimal("0.3") == first_meter(path).ratio


@pytest.mark.parametrize(
    ("held", "shown"),
    [(date(2026, 1, 5), "yyyy-mm-dd"), (46027, "m/d/yy"), (datetime.fromisoformat("2026-01-05"), "yyyy/m/d"),
     (46027, '[$-804]yyyy"年"m"月"d"日"'), ("2026-01-05", "@"), (46027, 31)],
)  # fmt: skip
def test_a_date_cell_is_that_day(tmp_path: Path, held: Any, shown: Any) -> None:
    """However it is shown; 31 is a format that a Chinese Excel knows by its number alone."""
    path = changed(tmp_path / "r.xlsx", "I2", held, "yyyy-m-d" if shown == 31 else shown)
    if shown == 31:
        replaced(path, {"xl/styles.xml": _as_number_31})

    begins = first_meter(path).valid_from
    assert (date(2026, 1, 5), date) == (begins, type(begins))


def _as_number_31(part: bytes) -> bytes:
    assert b'numFmtId="164"' in part
    return part.replace(b'<xf numFmtId="164"', b'<xf numFmtId="31"')


def test_dates_since_1904_are_the_same_days(tmp_path: Path) -> None:
    """Workbooks from an old Macintosh count from another day."""
    path = changed(tmp_path / "r.xlsx", "I2", 46027 - 1462, "yyyy-mm-dd")
    book = load_workbook(path)
    book.epoch = CALENDAR_MAC_1904
    book["meters"]["I2"].value = 46027 - 1462
    book.save(path)

    assert date(2026, 1, 5) == first_meter(path).valid_from


@pytest.mark.parametrize(
    ("held", "shown", "found"),
    [
        (datetime.fromisoformat("2026-01-05T08:30"), "yyyy-mm-dd hh:mm", "2026-01-05T08:30:00"),
        (datetime.fromisoformat("2026-01-05T08:30"), "yyyy-mm-dd", "2026-01-05T08:30:00"),
        (datetime.fromisoformat("2026-01-05"), "YYYY-MM-DD HH:MM:SS", "2026-01-05T00:00:00"),
        (46027, "General", "46027"),
        (time(8, 30), "h:mm", "08:30:00"),
        (True, "General", "TRUE"),
    ],
)
def test_a_time_cell_knows_no_zone_and_is_refused(tmp_path: Path, held: Any, shown: str, found: str) -> None:
    """As in the files: a time has its offset, which only text can hold."""
    expected = [f"sheet meters, row 2: valid_from: {MOMENT} (found {found!r})"]

    assert expected == refused(changed(tmp_path / "r.xlsx", "I2", held, shown))


def test_a_date_that_excel_cannot_show_is_refused(tmp_path: Path) -> None:
    """It shows ######## for such a number."""
    expected = ["sheet meters, row 2: valid_from: the cell shows #VALUE!; correct its formula, or write the value"]

    assert expected == refused(changed(tmp_path / "r.xlsx", "I2", 10**9, "yyyy-mm-dd"))


def test_dates_stand_in_the_columns_that_hold_dates() -> None:
    """A new column with a date is one of them."""
    assert {
        (field.alias or name)
        for line in FILES.values()
        for name, field in line.model_fields.items()
        if {"date", "datetime"} & set(_types(field.annotation))
    } == DATES


def _types(annotation: Any) -> list[str]:
    inner = getattr(annotation, "__args__", ())
    return [name for part in inner for name in _types(part)] if inner else [getattr(annotation, "__name__", "")]


def test_a_formula_counts_as_its_value(tmp_path: Path) -> None:
    """The one that it had when the workbook was saved; also where that is an empty text."""
    path = changed(tmp_path / "r.xlsx", "C2", "=A1")
    replaced(path, {"xl/worksheets/sheet4.xml": lambda part: part.replace(b"<f>A1</f><v></v>", b"<f>A1</f><v>77</v>").replace(
        b"<f>A1</f><v />", b"<f>A1</f><v>77</v>")})  # fmt: skip
    assert "77" == first_meter(path).meter

    path = changed(tmp_path / "r.xlsx", "D2", "=A1")
    replaced(path, {"xl/worksheets/sheet4.xml": lambda part: part.replace(b'<c r="D2">', b'<c r="D2" t="str">').replace(
        b'<c r="D2" s="1">', b'<c r="D2" t="str">')})  # fmt: skip
    assert first_meter(path).gateway is None


def test_text_of_many_colours_is_one_text(tmp_path: Path) -> None:
    """And how Japanese is pronounced is no part of it."""
    path = as_excel_saves(changed(tmp_path / "r.xlsx", "C2", "E77"))
    runs = b'<r><t>E</t></r><r><rPr><b/></rPr><t>77</t></r><rPh sb="0" eb="1"><t>x</t></rPh>'
    replaced(path, {"xl/sharedStrings.xml": lambda part: part.replace(b"<t>E77</t>", runs)})

    assert "E77" == first_meter(path).meter


def test_yes_and_no_may_be_true_and_false(tmp_path: Path) -> None:
    """As Excel writes them into a CSV file."""
    quotas = rows([QUOTAS[0] | {"sample": True}, QUOTAS[1] | {"sample": False}])

    assert [True, False] == [line.sample for line in read_workbook(workbook(tmp_path / "r.xlsx", quotas=quotas))["quotas"]]


def test_a_blank_is_part_of_what_was_typed(tmp_path: Path) -> None:
    """As in the files; the quotation marks show it."""
    [mistake] = refused(changed(tmp_path / "r.xlsx", "C3", "E2 "))

    assert mistake.startswith("sheet meters, row 3: meter: ")
    assert mistake.endswith("(found 'E2 ')")
