"""A registry in an Excel workbook is the one of its files: the same lines, and the same mistakes by sheet and row."""

from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from ingest.storage.registry_csv import read_files
from ingest.storage.registry_xlsx import read_workbook
from ingest.words import speaking, translated
from simulators import fleet
from simulators.month import Month
from simulators.registry import write
from tests.databases import ROOT
from tests.registries import meter
from tests.workbooks import as_excel_saves, changed, refused, rows, typed, workbook, workbook_of


@pytest.mark.parametrize("cell", [str, typed], ids=["text", "as Excel types it"])
@pytest.mark.parametrize("example", ["one-office", "one-school", "fleet"])
def test_a_workbook_and_its_files_are_the_same_registry(tmp_path: Path, example: str, cell: Any) -> None:
    """Whether its numbers and dates are text or such cells."""
    directory = tmp_path / example
    if example == "fleet":
        write(fleet.build(12, 1, Month(2026, 10)), directory)
    else:
        directory.symlink_to(ROOT / "examples" / example)
    files = read_files(directory)

    assert files == read_workbook(workbook_of(directory, cell))
    assert files == read_workbook(as_excel_saves(workbook_of(directory, cell)))
    assert files["meters"]


def test_blank_rows_are_none_and_the_rest_keep_their_numbers(tmp_path: Path) -> None:
    """Between lines and behind the last, also where somebody typed a blank into one."""
    of_meters = rows([meter(), meter("E2", ratio="x")])
    of_meters = [of_meters[0], of_meters[1], [None] * 9, ["  "], of_meters[2], *[[None, "", " "]] * 50]
    [mistake] = refused(workbook(tmp_path / "r.xlsx", meters=of_meters))

    assert mistake.startswith("sheet meters, row 5: ratio: ")


def test_rows_that_a_filter_hides_are_lines(tmp_path: Path) -> None:
    """As Excel writes them into a CSV file."""
    path = changed(tmp_path / "r.xlsx", "C2", "E7")
    book = load_workbook(path)
    book["meters"].auto_filter.ref = "A1:J3"
    book["meters"].row_dimensions[3].hidden = True
    book.save(path)

    assert ["E7", "E8"] == [line.meter for line in read_workbook(path)["meters"]]


@pytest.mark.parametrize("name", ["regions", "meters"])
def test_a_missing_sheet_is_a_missing_file(tmp_path: Path, name: str) -> None:
    """With what it should hold."""
    path = workbook(tmp_path / "r.xlsx")
    book = load_workbook(path)
    del book[name]
    book.save(path)

    assert [f"sheet {name}: missing; add it with the columns in docs/registry.md"] == refused(path)


@pytest.mark.parametrize("title", ["Virtual Meters", "virtual_meter", "virtualmeters "])
def test_a_sheet_with_nearly_the_right_name_is_refused(tmp_path: Path, title: str) -> None:
    """Its virtual meters would be left out, and nobody would see it."""
    assert [f"sheet {title}: is this virtual_meters? name it so"] == refused(workbook(tmp_path / "r.xlsx", **{title: [["a"]]}))


def test_other_sheets_are_told_of_and_hidden_ones_too(tmp_path: Path) -> None:
    """Notes of one's own are no mistake; what nobody sees is read, as its name says."""
    path = workbook(tmp_path / "r.xlsx", 说明=[["请勿修改", 1]])
    book = load_workbook(path)
    book["regions"].sheet_state = "veryHidden"
    book.save(path)
    notes: list[str] = []

    assert "XN" == read_workbook(path, notes.append)["regions"][0].region
    assert ["sheet regions is hidden, and read all the same", "sheet 说明 is none of the registry's, and not read"] == notes
    with speaking("zh"):
        assert ["工作表 regions 是隐藏的,仍已读取", "工作表 说明 不属于台账,未读取"] == [translated(note) for note in notes]


def test_merged_cells_are_refused(tmp_path: Path) -> None:
    """One gateway over three lines is none in two of them."""
    path = changed(tmp_path / "r.xlsx", "C2", "E7")
    book = load_workbook(path)
    book["meters"].merge_cells("D2:D3")
    book["meters"].merge_cells("A9:B9")
    book.save(path)

    assert [f"sheet meters: cells {cells} are merged; part them and fill each one" for cells in ("D2:D3", "A9:B9")] == refused(path)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (["region", "name", "name"], "sheet regions, row 1: a column stands twice in the header, or is called line_number"),
        (["region", "name", None], "sheet regions, row 1: timezone: this column is missing; docs/registry.md names them all"),
        ([None, "region", "name", "timezone"],
         "sheet regions, row 2: A: its column has no name in row 1; give it one, or empty the cell"),
        ([None], "sheet regions, row 1: empty; the names of the columns belong here"),
        (["region", "name", "=A1"],
         "sheet regions, row 1: the formula has no value; open the workbook in a spreadsheet and save it, or write the value"),
    ],
)  # fmt: skip
def test_a_header_names_every_column_once(tmp_path: Path, header: list[Any], expected: str) -> None:
    """In the first row, where the rows of files have it."""
    path = workbook(tmp_path / "r.xlsx", regions=[header, ["XN", "咸宁", "Asia/Shanghai"]])

    assert expected in refused(path)


def test_a_sheet_with_nothing_but_its_columns_holds_no_lines_and_one_without_them_is_named(tmp_path: Path) -> None:
    """As files: what somebody has cleared by mistake must not pass for an institution without meters."""
    rules = [["institution", "pv_rule", "valid_from", "valid_to", "source"]]
    assert [] == read_workbook(workbook(tmp_path / "r.xlsx", pv_rules=rules))["pv_rules"]

    assert [
        f"sheet regions, row 1: {column}: this column is missing; docs/registry.md names them all"
        for column in ("region", "name", "timezone")
    ] == refused(workbook(tmp_path / "r.xlsx", regions=[]))


def test_mistakes_are_told_in_chinese(tmp_path: Path) -> None:
    """With the sheet, the row and what to do."""
    path = workbook(tmp_path / "r.xlsx", meters=rows([meter(of="I9"), meter("E2", ratio="x")]))
    with speaking("zh"):
        assert "工作表 meters 第 3 行: ratio: " == translated(refused(path)[0])[: len("工作表 meters 第 3 行: ratio: ")]
    path = workbook(tmp_path / "r.xlsx", meters=rows([meter(of="I9")]))
    with speaking("zh"):
        assert "工作表 meters 第 2 行: institution: 'I9' 不在 工作表 institutions 中,请补入" == translated(refused(path)[0])
