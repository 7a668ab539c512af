"""The empty workbook to fill in: a sheet for each file, every column explained, nothing that the import would not read back."""

from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner
from openpyxl import load_workbook
from openpyxl.workbook.workbook import Workbook

from ingest.cli import main
from ingest.storage.registry_columns import MEANINGS, meaning
from ingest.storage.registry_csv import read_files
from ingest.storage.registry_lines import FILES, Line
from ingest.storage.registry_xlsx import read_workbook
from tests.databases import ROOT
from tests.workbooks import typed, workbook_rows

pytestmark = pytest.mark.usefixtures("no_language_asked_for")

COLUMNS = {
    name: [field.alias or column for column, field in model.model_fields.items() if column not in Line.model_fields]
    for name, model in FILES.items()
}


def template(path: Path, lang: str = "en") -> Workbook:
    """The template, opened."""
    done = CliRunner().invoke(main, ["--lang", lang, "registry", "template", str(path)])
    assert done.exit_code == 0, done.output
    assert str(path) in done.output
    return load_workbook(path)


def test_the_template_has_every_column_of_every_file(tmp_path: Path) -> None:
    """In the order of the documentation; empty, it is an empty registry."""
    book = template(tmp_path / "r.xlsx")

    assert {sheet.title: [cell.value for cell in sheet[1]] for sheet in book.worksheets} == COLUMNS
    assert {name: [] for name in FILES} == read_workbook(tmp_path / "r.xlsx")


@pytest.mark.parametrize(("lang", "said"), [("en", "Code of the meter"), ("zh", "表计代码")])
def test_every_column_is_explained_in_the_readers_language(tmp_path: Path, lang: str, said: str) -> None:
    """And whether it must be filled in; the headings stay as the import reads them."""
    book = template(tmp_path / "r.xlsx", lang)
    comments = [str(cell.comment.text if cell.comment else "") for sheet in book.worksheets for cell in sheet[1]]
    of_meter = book["meters"]["C1"]

    assert all(comment.count("\n") == 1 for comment in comments)
    assert of_meter.comment.text.startswith(said)
    assert of_meter.font.b
    assert not book["meters"]["D1"].font.b


def test_every_meaning_is_of_a_column() -> None:
    """A column that has gone takes its meaning along."""
    said = {meaning(name, column) for name, columns in COLUMNS.items() for column in columns}

    assert set(MEANINGS.values()) == said


def test_codes_are_text_and_what_is_one_of_a_few_is_chosen(tmp_path: Path) -> None:
    """So that Excel makes neither a number of 0012 nor a date of 3-5, and nobody mistypes a role."""
    sheet = template(tmp_path / "r.xlsx")["meters"]
    formats = {cell.value: sheet.column_dimensions[cell.column_letter].number_format for cell in sheet[1]}
    chosen = {str(each.sqref): each.formula1 for each in sheet.data_validations.dataValidation}

    assert ("@", "@", "General", "yyyy-mm-dd") == tuple(formats[name] for name in ("meter", "parent", "ratio", "valid_from"))
    assert {"B2:B1048576": '"electricity,water,charger"', "E2:E1048576": '"main,branch,sub,check"'} == chosen


def test_a_filled_template_is_read_like_the_files(tmp_path: Path) -> None:
    """Column by column, as somebody fills it in."""
    path, example = tmp_path / "r.xlsx", ROOT / "examples" / "one-school"
    book = template(path)
    for name, (header, *lines) in workbook_rows(example).items():
        at = [COLUMNS[name].index(column) + 1 for column in header]
        for number, line in enumerate(lines, 2):
            for column, text in zip(at, line, strict=True):
                held = typed(text) if text else None
                cell = book[name].cell(number, column, held)
                cell.number_format = "yyyy-mm-dd" if isinstance(held, date) else "General"
    book.save(path)

    assert read_files(example) == read_workbook(path)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A registry that somebody filled in for a week."""
    path = tmp_path / "r.xlsx"
    path.write_bytes(b"precious")
    done = CliRunner().invoke(main, ["registry", "template", str(path)])

    assert (1, b"precious") == (done.exit_code, path.read_bytes())
    assert "choose another name" in done.output


@pytest.mark.parametrize(("name", "said"), [("r.xls", "name it .xlsx"), ("nowhere/r.xlsx", "choose another name")])
def test_a_template_that_cannot_be_written_says_what_to_do(tmp_path: Path, name: str, said: str) -> None:
    """In one line."""
    done = CliRunner().invoke(main, ["registry", "template", str(tmp_path / name)])

    assert (1, True) == (done.exit_code, said in done.output)
    assert [] == list(tmp_path.iterdir())
