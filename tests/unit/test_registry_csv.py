"""Registry files are read whole, as spreadsheets save them; what cannot be read as a table is named with what to do."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ingest.storage.registry_csv import OPTIONAL, RegistryFault, read_files
from ingest.storage.registry_lines import FILES, Line
from tests.databases import ROOT
from tests.registries import meter, mistakes_in, write_files, write_lines

CHARGER = {
    "institution": "I1",
    "charger": "C1",
    "site": "地下停车场",
    "supply": "dc",
    "rated_kw": 60,
    "connectors": 2,
    "access": "own",
}
FACTOR = {
    "factor_set": "F1",
    "item": "electricity",
    "unit": "kWh",
    "kgce_per_unit": "0.1229",
    "source": "test",
    "confidence": "sample",
}


def test_the_documentation_names_every_column_of_every_file() -> None:
    """And what may be left out."""
    page = (ROOT / "docs" / "registry.md").read_text(encoding="utf-8")
    said = {
        name: (columns.split(", "), optional)
        for name, optional, columns in re.findall(r"^\| `(\w+)\.csv`( .optional.)? \| `([^`]+)`", page, re.MULTILINE)
    }

    read = {name: {field.alias or column for column, field in line.model_fields.items()} for name, line in FILES.items()}
    assert {name: columns - set(Line.model_fields) for name, columns in read.items()} == {
        name: set(columns) for name, (columns, _) in said.items()
    }
    assert set(OPTIONAL) == {name for name, (_, optional) in said.items() if optional}


def test_good_files_are_read_whole(tmp_path: Path) -> None:
    """Every line becomes typed values; an empty field is absent, an optional file may be."""
    files = read_files(write_files(tmp_path, meters=[meter(ratio="80.125", gateway=""), meter("W1", medium="water")]))

    assert set(FILES) == set(files)
    assert [Decimal("80.125"), Decimal(1)] == [line.ratio for line in files["meters"]]
    assert [None, "G1"] == [line.gateway for line in files["meters"]]
    assert [["energy_import_kwh", "power_kw"], ["volume_m3", "flow_m3_per_h"]] == [line.register_names for line in files["meters"]]
    assert "单位 I1" == files["institutions"][0].name
    assert [True] * 3 == [line.sample for line in files["quotas"]]
    assert [] == [line for name in OPTIONAL for line in files[name]]


def test_optional_files_are_read_where_they_are(tmp_path: Path) -> None:
    """Chargers and factors."""
    directory = write_files(tmp_path, meters=[meter("C1", medium="charger")])
    write_lines(directory / "chargers.csv", [CHARGER])
    write_lines(directory / "factors.csv", [FACTOR])
    files = read_files(directory)

    assert [("C1", "地下停车场")] == [(line.charger, line.site) for line in files["chargers"]]
    assert [Decimal("0.1229")] == [line.kgce_per_unit for line in files["factors"]]


def test_a_file_saved_by_excel_is_read(tmp_path: Path) -> None:
    """A byte order mark and CRLF are no mistakes."""
    directory = write_files(tmp_path)
    (directory / "regions.csv").write_bytes("\ufeffregion,name,timezone\r\nXN,咸宁,Asia/Shanghai\r\n".encode())

    assert "XN" == read_files(directory)["regions"][0].region


@pytest.mark.parametrize("name", sorted(FILES.keys() - OPTIONAL))
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    """With what it should hold."""
    directory = write_files(tmp_path)
    (directory / f"{name}.csv").unlink()

    assert [f"{directory / name}.csv: missing; write it with the columns in docs/registry.md"] == mistakes_in(directory)


def test_a_misspelt_column_is_named_twice(tmp_path: Path) -> None:
    """As one that is unknown, and as one that is missing; not again for every line."""
    directory = write_files(tmp_path)
    (directory / "regions.csv").write_text("region,name,timezon\nXN,咸宁,Asia/Shanghai\nYY,二,Asia/Tokyo\n", encoding="utf-8")

    assert [
        "regions.csv:1: timezone: this column is missing; docs/registry.md names them all",
        "regions.csv:1: timezon: there is no such column; correct its name, or leave it out",
    ] == mistakes_in(directory)


def test_a_file_without_a_header_is_no_table_without_lines(tmp_path: Path) -> None:
    """What a failed download or a full disk leaves must not pass for an institution without meters."""
    directory = write_files(tmp_path)
    (directory / "regions.csv").write_bytes(b"")

    assert [
        f"regions.csv:1: {column}: this column is missing; docs/registry.md names them all"
        for column in ("region", "name", "timezone")
    ] == mistakes_in(directory)


@pytest.mark.parametrize(("sign", "said"), [(";", "';'"), ("\t", "'\\t'")])
def test_other_separators_than_commas_are_named(tmp_path: Path, sign: str, said: str) -> None:
    """Spreadsheets part fields by semicolons in some countries, and by tabs as 'Unicode text'."""
    directory = write_files(tmp_path)
    (directory / "regions.csv").write_text(f"region{sign}name{sign}timezone\nXN{sign}咸宁{sign}Asia/Shanghai\n", encoding="utf-8")

    assert [f"regions.csv:1: fields are parted by {said}; save it as CSV with commas"] == mistakes_in(directory)


def test_lines_of_commas_are_no_lines(tmp_path: Path) -> None:
    """Spreadsheets write them below a table in which a line was emptied."""
    directory = write_files(tmp_path)
    with (directory / "meters.csv").open("a", encoding="utf-8") as file:
        file.write(",,,,,,\n , ,\n\n")

    assert ["E1", "W1"] == [line.meter for line in read_files(directory)["meters"]]


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    """Chinese Excel saves CSV as GBK; the other files are checked all the same."""
    directory = write_files(tmp_path, meters=[meter(ratio="x")])
    (directory / "regions.csv").write_bytes("region,name,timezone\nXN,咸宁,Asia/Shanghai\n".encode("gbk"))
    encoding, ratio = mistakes_in(directory)

    assert f"{directory / 'regions.csv'}: not UTF-8; save it as UTF-8 (a spreadsheet offers 'CSV UTF-8')" == encoding
    assert ratio.startswith("meters.csv:2: ratio: ")


def test_a_line_with_a_field_too_many_is_named(tmp_path: Path) -> None:
    """A comma in a name moves every field behind it into the wrong column."""
    directory = write_files(tmp_path)
    (directory / "regions.csv").write_text("region,name,timezone\nXN,Xianning, Hubei,Asia/Shanghai\n", encoding="utf-8")
    expected = "regions.csv:2: more fields than the header has columns; quote fields that hold a comma"

    assert [expected] == mistakes_in(directory)


@pytest.mark.parametrize(
    ("name", "lines", "expected"),
    [
        ("regions", [{"region": "XN", "name": name, "timezone": "Asia/Shanghai"} for name in ("咸宁", "咸宁市")],
         ["regions.csv:3: 'XN' stands already in line 2; remove one of them"]),
        ("chargers", [CHARGER, CHARGER | {"site": "东门"}],
         ["chargers.csv:3: 'I1/C1' stands already in line 2; remove one of them"]),
        ("chargers", [CHARGER, CHARGER | {"charger": "C2"}],
         ["chargers.csv:3: charger: 'C2' is no meter of medium charger; add it to meters.csv"]),
        ("chargers", [CHARGER, CHARGER | {"charger": "E1"}],
         ["chargers.csv:3: charger: 'E1' is no meter of medium charger; add it to meters.csv"]),
        ("factors", [FACTOR, FACTOR | {"item": "water"}, FACTOR | {"kgce_per_unit": "0.31"}],
         ["factors.csv:4: 'F1/electricity' stands already in line 2; remove one of them"]),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)  # fmt: skip
def test_what_may_stand_only_once_and_what_must_be_a_meter(
    tmp_path: Path, name: str, lines: list[dict[str, Any]], expected: list[str]
) -> None:
    """A factor of 0.1229 and of 0.31 in one set is the 2.5-fold error the design warns of; a charger's register is settled."""
    directory = write_files(tmp_path, meters=[meter(), meter("C1", medium="charger")])
    write_lines(directory / f"{name}.csv", lines)

    assert expected == mistakes_in(directory)


def test_a_mistake_after_a_blank_line_and_a_line_break_is_still_named_by_its_line(tmp_path: Path) -> None:
    """The number is that of the file's line, as an editor shows it; a quoted line break belongs to its field."""
    directory = write_files(tmp_path)
    (directory / "regions.csv").write_text(
        'region,name,timezone\n\nXN,"咸 宁",Asia/Shanghai\nYY,二,Nowhere/Land\n', encoding="utf-8"
    )
    with pytest.raises(RegistryFault) as fault:
        read_files(directory)

    assert ["regions.csv:4"] == [mistake[:13] for mistake in fault.value.mistakes]
