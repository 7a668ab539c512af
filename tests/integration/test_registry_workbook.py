"""`meterwarden registry import` of an Excel workbook, on a real database: it imports what the files do, and shows the same."""

import asyncio
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from openpyxl import load_workbook

from ingest.cli import main
from tests.databases import Database
from tests.registries import meter, write_files
from tests.workbooks import as_excel_saves, rows, typed, workbook, workbook_of

METERS = "SELECT count(*) FROM metering.meter"
Run = Callable[..., Result]


@pytest.fixture
def run(database: Database) -> Run:
    """The import, of a path, as the writer."""
    environment = {"METERWARDEN_DATABASE__URL": database.writer_url, "LC_ALL": "C.UTF-8"}
    return lambda *arguments: CliRunner().invoke(main, ["registry", "import", *map(str, arguments)], env=environment)


@pytest.fixture
def counted(database: Database) -> Callable[[], int]:
    """How many meters the database knows."""
    return partial(_count, database)


def _count(database: Database) -> int:
    return int(asyncio.run(database.rows(METERS))[0][0])


def test_a_workbook_imports_what_its_files_do(run: Run, tmp_path: Path) -> None:
    """Imported from one, the other has nothing to change, by either way."""
    files = write_files(tmp_path / "registry")
    book = as_excel_saves(workbook_of(files, typed))
    first = json.loads(run(book, "--json").stdout)

    assert "meters: I1/electricity/E1/2019-12-31 16:00:00+00:00" in first["added"]
    for again in (book, files):
        assert {"dry_run": True, "added": [], "changed": [], "kept": []} == json.loads(run(again, "--dry-run", "--json").stdout)


def test_a_dry_run_of_a_workbook_writes_nothing_and_shows_what_it_would(
    run: Run, counted: Callable[[], int], tmp_path: Path
) -> None:
    """As with files."""
    shown = run(workbook(tmp_path / "r.xlsx"), "--dry-run")

    assert (0, 0) == (shown.exit_code, counted())
    assert "would change: +" in shown.output


def test_a_workbook_with_mistakes_imports_nothing_and_names_them(run: Run, counted: Callable[[], int], tmp_path: Path) -> None:
    """By sheet and row, as Excel numbers them; what was not read is told of."""
    path = workbook(tmp_path / "r.xlsx", meters=rows([meter(), meter("E2", ratio="x")]), Notes=[["mind the gap"]])
    done = run(path)

    assert (1, 0) == (done.exit_code, counted())
    assert "nothing was imported:\nsheet meters, row 3: ratio: " in done.output
    assert "sheet Notes is none of the registry's, and not read\n" in done.stderr


def test_what_a_workbook_changes_is_shown_as_a_difference(run: Run, tmp_path: Path) -> None:
    """A cell changed in Excel is a column changed in the database."""
    path = workbook(tmp_path / "r.xlsx")
    assert 0 == run(path).exit_code
    book = load_workbook(path)
    book["institutions"]["B2"].value = "第一中学"
    book.save(path)

    assert ["institutions: I1: name 单位 I1 -> 第一中学"] == json.loads(run(path, "--json").stdout)["changed"]


def test_what_is_no_workbook_is_refused_in_one_line(run: Run, tmp_path: Path) -> None:
    """A single CSV file is none: the import takes their directory."""
    files = write_files(tmp_path / "registry")
    done = run(files / "meters.csv")

    assert 1 == done.exit_code
    assert "not an Excel workbook" in done.output
    assert "Traceback" not in done.output
