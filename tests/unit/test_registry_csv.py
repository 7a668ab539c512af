"""Registry files: every mistake is named with its place and what to do, all at once, and nothing is guessed."""

import csv
import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ingest.storage.registry_csv import OPTIONAL, RegistryFault, read_files
from ingest.storage.registry_lines import FILES, Line, begin, end
from tests.databases import ROOT
from tests.registries import QUOTAS, institution, meter, write_files


def _mistakes(directory: Path) -> list[str]:
    with pytest.raises(RegistryFault) as fault:
        read_files(directory)
    assert str(fault.value) == "\n".join(fault.value.mistakes)
    return fault.value.mistakes


def _add(directory: Path, name: str, *lines: Mapping[str, Any]) -> None:
    with (directory / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


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
    _add(directory, "chargers", CHARGER)
    _add(directory, "factors", FACTOR)
    files = read_files(directory)

    assert [("C1", "地下停车场")] == [(line.charger, line.site) for line in files["chargers"]]
    assert [Decimal("0.1229")] == [line.kgce_per_unit for line in files["factors"]]


def test_a_file_saved_by_excel_is_read(tmp_path: Path) -> None:
    """A byte order mark and CRLF are no mistakes."""
    directory = write_files(tmp_path)
    (directory / "regions.csv").write_bytes("\ufeffregion,name,timezone\r\nXN,咸宁,Asia/Shanghai\r\n".encode())

    assert "XN" == read_files(directory)["regions"][0].region


def test_versions_of_a_meter_may_follow_each_other(tmp_path: Path) -> None:
    """One ends where the next begins: a day belongs to one of them."""
    versions = [meter(valid_to="2025-07-01"), meter(valid_from="2025-07-01", ratio=40)]

    assert 2 == len(read_files(write_files(tmp_path, meters=versions))["meters"])


def test_an_instant_with_its_offset_is_kept(tmp_path: Path) -> None:
    """A meter exchanged at half past eight belongs to the new ratio from then on."""
    [line] = read_files(write_files(tmp_path, meters=[meter(valid_from="2026-01-05T08:30:00+08:00")]))["meters"]

    assert datetime(2026, 1, 5, 8, 30, tzinfo=timezone(timedelta(hours=8))) == line.valid_from


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ({"meters": [meter(), meter("E2", ratio="1:40")]}, "meters.csv:3: ratio: .*decimal.*'1:40'"),
        ({"meters": [meter(ratio=0)]}, "meters.csv:2: ratio: .*greater than 0.*'0'"),
        ({"meters": [meter(ratio="-40")]}, "meters.csv:2: ratio: .*greater than 0.*'-40'"),
        ({"meters": [meter(ratio="NaN")]}, "meters.csv:2: ratio: .*finite.*'NaN'"),
        ({"meters": [meter(ratio="1.2345")]}, "meters.csv:2: ratio: .*3 decimal places.*'1.2345'"),
        ({"meters": [meter(medium="gas")]}, "meters.csv:2: medium: .*'electricity', 'water' or 'charger'.*'gas'"),
        ({"meters": [meter(role="mian")]}, "meters.csv:2: role: .*'main', 'branch', 'sub' or 'check'.*'mian'"),
        ({"meters": [meter("E/1")]}, "meters.csv:2: meter: .*pattern.*'E/1'"),
        ({"meters": [meter(register_digits=13)]}, "meters.csv:2: register_digits: .*12.*'13'"),
        ({"meters": [meter(register_decimals=4)]}, "meters.csv:2: register_decimals: .*3.*'4'"),
        ({"meters": [meter(rated_capacity="1e9")]}, "meters.csv:2: rated_capacity: .*10000000.*'1e9'"),
        ({"meters": [meter(valid_from="2026/01/05")]},
         "meters.csv:2: valid_from: write a date such as 2026-01-01, or a time with its offset, .*'2026/01/05'"),
        ({"meters": [meter(registers="energy_import_kwh energy_kvarh")]},
         "meters.csv:2: unknown register 'energy_kvarh': use energy_import_kwh, "),
        ({"meters": [meter(registers="power_kw")]}, "meters.csv:2: registers must include energy_import_kwh"),
        ({"meters": [meter(valid_from="2026-02-30")]}, "meters.csv:2: valid_from: write a date such as .*'2026-02-30'"),
        ({"meters": [meter(valid_to="2026-01-05T24:00:00+08:00")]}, "meters.csv:2: valid_to: write a date such as .*24:00"),
        ({"institutions": [institution(), institution("I2", people="many")]}, "denominators.csv:5: value: .*decimal.*'many'"),
        ({"quotas": [QUOTAS[0] | {"valid_from": "2026-01-05T00:00:00+08:00"}]},
         "quotas.csv:2: valid_from: write a date such as 2026-01-01, not before 1900 .*'2026-01-05T00:00:00\\+08:00'"),
        ({"timezone": "Asia/Xianning"}, "regions.csv:2: time zone 'Asia/Xianning' is not known: use an IANA name"),
        ({"timezone": "Australia/Lord_Howe"},
         "regions.csv:2: time zone 'Australia/Lord_Howe' is not supported: its local full hours"),
        ({"institutions": [institution(**{"class": "office"})]}, "institutions.csv:2: class: .*'government'.*'other'.*'office'"),
        ({"institutions": [institution(area=0)]}, "denominators.csv:2: value: .*greater than 0.*'0'"),
        ({"quotas": [QUOTAS[0] | {"indicator": "gas_per_area"}]},
         "quotas.csv:2: unknown indicator 'gas_per_area': use electricity_per_area"),
        ({"quotas": [QUOTAS[0] | {"unit": "kWh/person"}]},
         "quotas.csv:2: unit of electricity_per_area is kWh/m2, not 'kWh/person'"),
        ({"quotas": [QUOTAS[0] | {"guide": 8, "benchmark": 7}]}, "quotas.csv:2: tiers must rise: guide <= benchmark <= constraint"),
        ({"quotas": [QUOTAS[1], QUOTAS[0] | {"benchmark": 11}]}, "quotas.csv:3: tiers must rise"),
        ({"quotas": [QUOTAS[0] | {"constraint": ""}]}, "quotas.csv:2: constraint: Field required"),
        ({"quotas": [QUOTAS[0] | {"sample": "是"}]}, "quotas.csv:2: sample: .*boolean.*'是'"),
        ({"quotas": [QUOTAS[0] | {"period_kind": "week"}]}, "quotas.csv:2: period_kind: .*'month' or 'year'.*'week'"),
        ({"quotas": [QUOTAS[0] | {"source": ""}]}, "quotas.csv:2: source: Field required"),
    ],
    ids=lambda case: case.partition(":")[2][:40] if isinstance(case, str) else "",
)  # fmt: skip
def test_a_mistake_in_a_line_is_named_with_its_place(tmp_path: Path, lines: dict[str, Any], expected: str) -> None:
    """File, line, the column or the words that name it, what was found or what is allowed."""
    mistakes = _mistakes(write_files(tmp_path, **lines))

    assert any(re.match(expected, mistake) for mistake in mistakes), mistakes


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ({"institutions": [institution(), institution("I2", region="WH")]},
         "institutions.csv:3: region: 'WH' is not in regions.csv; add it there"),
        ({"meters": [meter(), meter(of="I9")]}, "meters.csv:3: institution: 'I9' is not in institutions.csv; add it there"),
        ({"meters": [meter(), meter("E2", parent="E0")]},
         "meters.csv:3: parent: 'E0' is no meter of the institution and medium; add it or leave it empty"),
        ({"institutions": [institution(), institution("I2")], "meters": [meter(of="I2"), meter("E2", parent="E1")]},
         "meters.csv:3: parent: 'E1' is no meter of the institution and medium; add it or leave it empty"),
        ({"institutions": [institution(), institution()]}, "institutions.csv:3: 'I1' stands already in line 2; remove one of them"),
        ({"institutions": [institution(), institution()]},
         "denominators.csv:5: valid_from: lies within the time of line 3; end that one with valid_to"),
        ({"quotas": [*QUOTAS, QUOTAS[0]]}, "quotas.csv:5: 'E-M' stands already in line 2; remove one of them"),
        ({"meters": [meter("W1", medium="water"), meter(), meter()]},
         "meters.csv:4: valid_from: lies within the time of line 3; end that one with valid_to"),
        ({"meters": [meter(valid_to="2025-07-02"), meter(valid_from="2025-07-01")]},
         "meters.csv:3: valid_from: lies within the time of line 2; end that one with valid_to"),
        ({"meters": [meter(valid_from="2025-07-01"), meter(valid_to="2025-07-02")]},
         "meters.csv:2: valid_from: lies within the time of line 3; end that one with valid_to"),
        ({"meters": [meter(valid_to="2020-01-01")]}, "meters.csv:2: valid_to: must lie after valid_from"),
        ({"quotas": [QUOTAS[0] | {"valid_from": "2026-01-01", "valid_to": "2025-01-01"}]},
         "quotas.csv:2: valid_to: must lie after valid_from"),
    ],
    ids=lambda case: case.partition("; ")[0] if isinstance(case, str) else "",
)  # fmt: skip
def test_a_mistake_between_lines_is_named_with_its_place(tmp_path: Path, lines: dict[str, Any], expected: str) -> None:
    """What one line says and another denies: the file, the line, what is wrong, and what to do."""
    assert expected in _mistakes(write_files(tmp_path, **lines))


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
    _add(directory, name, *lines)

    assert expected == _mistakes(directory)


def test_a_meter_and_its_parent_may_differ_in_medium_only_for_chargers_behind_electricity(tmp_path: Path) -> None:
    """A charger hangs on an electricity meter."""
    meters = [meter(), meter("C1", medium="charger", role="sub", parent="E1")]

    assert "E1" == read_files(write_files(tmp_path, meters=meters))["meters"][1].parent


@pytest.mark.parametrize("name", sorted(FILES.keys() - OPTIONAL))
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    """With what it should hold."""
    directory = write_files(tmp_path)
    (directory / f"{name}.csv").unlink()

    assert [f"{directory / name}.csv: missing; write it with the columns in docs/registry.md"] == _mistakes(directory)


def test_a_misspelt_column_is_named_twice(tmp_path: Path) -> None:
    """As one that is unknown, and as one that is missing."""
    directory = write_files(tmp_path)
    (directory / "regions.csv").write_text("region,name,timezon\nXN,咸宁,Asia/Shanghai\n", encoding="utf-8")
    mistakes = _mistakes(directory)

    for start in ("regions.csv:2: timezone: Field required", "regions.csv:2: timezon: Extra inputs"):
        assert any(mistake.startswith(start) for mistake in mistakes), mistakes


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    """One pass mends them: of several lines, columns and files together."""
    directory = write_files(
        tmp_path,
        timezone="Mars/Olympus",
        meters=[meter(ratio="x", role="y"), meter("E2"), meter("E3", interval_minutes=0)],
        quotas=[QUOTAS[0] | {"unit": "MWh"}],
    )
    (directory / "institutions.csv").unlink()
    places = [":".join(mistake.split(":")[:2]).removeprefix(f"{directory}/") for mistake in _mistakes(directory)]

    expected = ["regions.csv:2", "institutions.csv: missing; write it with the columns in docs/registry.md", "meters.csv:2",
                "meters.csv:2", "meters.csv:4", "quotas.csv:2"]  # fmt: skip
    assert expected == places


def test_mistakes_between_lines_are_named_at_once(tmp_path: Path) -> None:
    """Also those that only the files together show."""
    meters = [meter(), meter(), meter("E2", of="I9"), meter("E3", parent="E0")]

    mistakes = _mistakes(write_files(tmp_path, meters=meters, institutions=[institution()]))

    assert ["meters.csv:3", "meters.csv:4", "meters.csv:5"] == sorted(mistake[:12] for mistake in mistakes)


@pytest.mark.parametrize("text", ["20240101", "45658", "86400", "2024-1-1", "2026-01-05 08:30:00+08:00", "2026-W02-1"])
def test_only_a_date_written_out_is_a_date(tmp_path: Path, text: str) -> None:
    """20240101 is not the 23rd of August 1970, nor is Excel's day number a moment of that year."""
    expected = f"write a date such as 2026-01-01, or a time with its offset, such as 2026-01-01T08:00:00+08:00 (found {text!r})"

    assert [f"meters.csv:2: valid_from: {expected}"] == _mistakes(write_files(tmp_path, meters=[meter(valid_from=text)]))


def test_midnight_with_an_offset_is_an_instant(tmp_path: Path) -> None:
    """Midnight in Greenwich is eight in the morning in 咸宁."""
    [line] = read_files(write_files(tmp_path, meters=[meter(valid_from="2026-01-05T00:00:00+00:00")]))["meters"]

    assert isinstance(line.valid_from, datetime)
    assert datetime(2026, 1, 5, 8, tzinfo=timezone(timedelta(hours=8))) == line.valid_from


@pytest.mark.parametrize("text", ["2026-01-05T00:00:00", "2026-01-05T08:30:00", "2026-01-05T08:30"])
def test_a_naive_time_is_refused_also_at_midnight(tmp_path: Path, text: str) -> None:
    """Nobody can know which clock it means."""
    expected = f"write a date such as 2026-01-01, or a time with its offset, such as 2026-01-01T08:00:00+08:00 (found {text!r})"

    assert [f"meters.csv:2: valid_from: {expected}"] == _mistakes(write_files(tmp_path, meters=[meter(valid_from=text)]))


@pytest.mark.parametrize(
    ("ends", "begins", "overlap"),
    [
        ("2025-01-01T06:00:00+08:00", "2024-12-31T22:30:00+00:00", False),
        ("2025-01-01T00:30:00+00:00", "2025-01-01T01:00:00+08:00", True),
        ("2025-01-01", "2024-12-31T16:00:00+00:00", False),
        ("2025-01-01", "2024-12-31T15:59:59+00:00", True),
        ("2024-12-31T16:00:00+00:00", "2025-01-01", False),
        ("2024-12-31T16:00:01+00:00", "2025-01-01", True),
    ],
)
def test_overlaps_are_judged_by_the_instant(tmp_path: Path, ends: str, begins: str, overlap: bool) -> None:
    """22:00 in Greenwich is 06:00 in 咸宁, and a date begins with the midnight of its region."""
    directory = write_files(tmp_path, meters=[meter(valid_to=ends), meter(valid_from=begins)])
    try:
        mistakes = read_files(directory) and []
    except RegistryFault as fault:
        mistakes = fault.mistakes

    expected = "meters.csv:3: valid_from: lies within the time of line 2; end that one with valid_to"
    assert ([expected] if overlap else []) == mistakes


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    """Chinese Excel saves CSV as GBK; the other files are checked all the same."""
    directory = write_files(tmp_path, meters=[meter(ratio="x")])
    (directory / "regions.csv").write_bytes("region,name,timezone\nXN,咸宁,Asia/Shanghai\n".encode("gbk"))
    encoding, ratio = _mistakes(directory)

    assert f"{directory / 'regions.csv'}: not UTF-8; save it as UTF-8 (a spreadsheet offers 'CSV UTF-8')" == encoding
    assert ratio.startswith("meters.csv:2: ratio: ")


def test_a_line_with_a_field_too_many_is_named(tmp_path: Path) -> None:
    """A comma in a name moves every field behind it into the wrong column."""
    directory = write_files(tmp_path)
    (directory / "regions.csv").write_text("region,name,timezone\nXN,Xianning, Hubei,Asia/Shanghai\n", encoding="utf-8")
    expected = "regions.csv:2: more fields than the header has columns; quote fields that hold a comma"

    assert [expected] == _mistakes(directory)


@pytest.mark.parametrize(
    "second",
    [{}, {"class": ""}, {"sub_class": "county"}, {"class": "", "heating_type": "central"}, {"valid_from": "2026-01-01"},
     {"valid_from": "2019-01-01", "valid_to": "2020-01-02"}],
    ids=str,
)  # fmt: skip
def test_quota_rows_that_an_institution_could_fall_under_at_once_are_refused(tmp_path: Path, second: dict[str, str]) -> None:
    """Otherwise every verdict of these institutions becomes "several apply" only once it is settled."""
    expected = "an institution could fall under this row and line 2; end one, or tell them apart"
    quotas = [QUOTAS[0], QUOTAS[1], QUOTAS[0] | {"quota": "E-M2"} | second]

    assert [f"quotas.csv:4: {expected}"] == _mistakes(write_files(tmp_path, quotas=quotas))


@pytest.mark.parametrize(
    "second",
    [{"class": "school"}, {"period_kind": "year"}, {"indicator": "water_per_person", "unit": "m3/person"},
     {"valid_from": "2019-01-01", "valid_to": "2020-01-01"}],
    ids=str,
)  # fmt: skip
def test_quota_rows_that_nobody_can_fall_under_at_once_are_accepted(tmp_path: Path, second: dict[str, str]) -> None:
    """They differ in class, period, indicator, or follow each other in time."""
    quotas = [QUOTAS[0], QUOTAS[0] | {"quota": "E-M2"} | second]

    assert 2 == len(read_files(write_files(tmp_path, quotas=quotas))["quotas"])


def test_dates_are_dates(tmp_path: Path) -> None:
    """A local day stays one, with no time of day made up."""
    [line, *_] = read_files(write_files(tmp_path))["meters"]

    assert date(2020, 1, 1) == line.valid_from
    assert type(line.valid_from) is date


@pytest.mark.parametrize("until", ["9999-12-31", "2100-01-02", ""])
def test_dates_far_away_are_dates(tmp_path: Path, until: str) -> None:
    """A meter of 1998 is of 1998, and the common 9999-12-31 is an end like any other."""
    directory = write_files(tmp_path, meters=[meter(valid_from="1998-09-01", valid_to=until)])
    [line] = read_files(directory)["meters"]

    assert "1998-08-31T16:00:00+00:00" == begin(line, "Asia/Shanghai").isoformat()
    assert end(line, "Asia/Shanghai").year >= 2100


def test_a_mistake_after_a_blank_line_and_a_line_break_is_still_named_by_its_line(tmp_path: Path) -> None:
    """The number is that of the file's line, as an editor shows it; a quoted line break belongs to its field."""
    directory = write_files(tmp_path)
    (directory / "regions.csv").write_text(
        'region,name,timezone\n\nXN,"咸 宁",Asia/Shanghai\nYY,二,Nowhere/Land\n', encoding="utf-8"
    )
    with pytest.raises(RegistryFault) as fault:
        read_files(directory)

    assert ["regions.csv:4"] == [mistake[:13] for mistake in fault.value.mistakes]


ALL_THE_TIME = "is no meter of the institution and medium all the time this line holds; let it begin no later and end no earlier"
VIRTUAL = {"institution": "I1", "medium": "electricity", "meter": "V1", "formula": "E1 - E2", "role": "branch", "parent": "E1",
           "valid_from": "2020-01-01"}  # fmt: skip
TREE = [meter(), meter("E2", role="branch", parent="E1", sub_item="D1"), meter("E9", role="check", parent="E1")]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([*TREE, meter("E3", parent="E1")],
         ["meters.csv:5: parent: a main meter has none; leave it empty, or make the meter a branch"]),
        ([*TREE, meter("E3", role="check")], ["meters.csv:5: parent: a check meter names the meter it checks"]),
        ([*TREE, meter("E3", role="sub", parent="E9")],
         ["meters.csv:5: parent: 'E9' is a check meter, behind which nothing hangs"]),
        ([*TREE, meter("E3", role="sub", parent="E4"), meter("E4", role="sub", parent="E3")],
         [f"meters.csv:{line}: parent: leads back to 'E{line - 2}' itself; a meter cannot be part of itself" for line in (5, 6)]),
        ([meter(valid_from="2021-01-01"), meter("E2", role="sub", parent="E1")],
         [f"meters.csv:3: parent: 'E1' {ALL_THE_TIME}"]),
        ([*TREE, meter("W1", medium="water"), meter("W2", medium="water", role="sub", parent="E1")],
         ["meters.csv:6: parent: 'E1' is no meter of the institution and medium; add it or leave it empty"]),
        ([meter("E2", role="branch", sub_item="E1")], ["meters.csv:2: sub_item: unknown sub-item 'E1': use A, A1, "]),
        ([meter("W1", medium="water", sub_item="A")], ["meters.csv:2: sub_item: sub-items divide electricity; leave it empty"]),
    ],
    ids=lambda case: case[0][14:60] if isinstance(case[0], str) else "",
)  # fmt: skip
def test_a_meter_that_does_not_fit_its_tree_is_named(tmp_path: Path, lines: list[Any], expected: list[str]) -> None:
    """As every other mistake: file, line, column, what to do."""
    mistakes = _mistakes(write_files(tmp_path, meters=lines))

    assert [True] * len(expected) == [one.startswith(start) for one, start in zip(mistakes, expected, strict=True)], mistakes


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (VIRTUAL | {"formula": "E1 - E7"}, "virtual_meters.csv:2: formula: 'E7' is no meter of the institution and medium all "),
        (VIRTUAL | {"formula": "E1-E2"}, "virtual_meters.csv:2: formula: 'E1-E2' is no meter of the institution and medium all "),
        (VIRTUAL | {"formula": "E1 - E9"}, "virtual_meters.csv:2: formula: 'E9' is a check meter, which is never summed"),
        (VIRTUAL | {"formula": "E1 - V1"}, "virtual_meters.csv:2: formula: leads back to 'V1' itself"),
        (VIRTUAL | {"formula": "E1 / 2"}, "virtual_meters.csv:2: formula: '/' stands where + or - belongs: write it as E1 + 2*E2"),
        (VIRTUAL | {"formula": "E2"}, "virtual_meters.csv:2: formula: 'E2' would count twice among what hangs behind 'E1'"),
        (VIRTUAL | {"role": "main", "parent": ""}, "virtual_meters.csv:2: formula: 'E1' would count twice among main meters"),
        (VIRTUAL | {"role": "check"}, "virtual_meters.csv:2: role: "),
        (
            VIRTUAL | {"meter": "E2"},
            "virtual_meters.csv:2: meter: 'E2' is a meter in meters.csv; give the virtual one another code",
        ),
        (VIRTUAL | {"institution": "I9"}, "virtual_meters.csv:2: institution: 'I9' is not in institutions.csv; add it there"),
        (VIRTUAL | {"valid_to": "2019-01-01"}, "virtual_meters.csv:2: valid_to: must lie after valid_from"),
    ],
    ids=str,
)
def test_a_virtual_meter_that_cannot_be_is_named(tmp_path: Path, line: dict[str, Any], expected: str) -> None:
    """Its formula is read whole, and held against the meters there are."""
    directory = write_files(tmp_path, meters=TREE)
    _add(directory, "virtual_meters", line)

    [mistake, *_] = _mistakes(directory)
    assert mistake.startswith(expected), mistake


def test_virtual_meters_and_pv_rules_are_read(tmp_path: Path) -> None:
    """A formula is kept as it will be written for ever."""
    directory = write_files(tmp_path, meters=TREE)
    _add(directory, "virtual_meters", VIRTUAL | {"formula": " E1 -  2 * E2", "sub_item": "C"})
    _add(directory, "pv_rules", {"institution": "I1", "pv_rule": "net", "valid_from": "2026-01-01", "source": "letter of 2025"})
    files = read_files(directory)

    assert ["E1 - 2*E2"] == [line.formula for line in files["virtual_meters"]]
    assert ["net"] == [line.pv_rule for line in files["pv_rules"]]


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        (QUOTAS[0] | {"excludes": "D7"}, "quotas.csv:2: excludes: unknown exclusion 'D7': use sub-items (A, A1, "),
        (QUOTAS[1] | {"excludes": "D1"}, "quotas.csv:2: excludes: water_per_person has no sub-items to leave out; leave it empty"),
    ],
)
def test_an_exclusion_that_cannot_be_is_named(tmp_path: Path, quota: dict[str, Any], expected: str) -> None:
    """Sub-items and chargers, of electricity."""
    [mistake] = _mistakes(write_files(tmp_path, quotas=[quota]))
    assert mistake.startswith(expected), mistake


def test_exclusions_are_kept_in_one_order(tmp_path: Path) -> None:
    """So that a row written again with them turned round is the same row."""
    [line] = read_files(write_files(tmp_path, quotas=[QUOTAS[0] | {"excludes": "charger; D1"}]))["quotas"]

    assert "D1;charger" == line.excludes


EXCHANGE = {"institution": "I1", "medium": "electricity", "meter": "E1", "exchanged_at": "2026-10-01T08:00:00+08:00",
            "old_final": "12.5", "new_initial": "0", "author": "a", "reason": "b"}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"),
    [({"meter": "E9"}, "'E9' has no register energy_import_kwh then"),
     ({"exchanged_at": "2019-01-01T00:00:00Z"}, "has no register"), ({"exchanged_at": "2026-10-01"}, "time with its offset"),
     ({"register": "energy_export_kwh"}, "has no register energy_export_kwh"),
     ({"old_final": "1000000"}, "register_digits"), ({"new_initial": "-1"}, "new_initial"), ({"old_final": "0.0001"}, "old_final"),
     ({"author": ""}, "author")],
)  # fmt: skip
def test_an_exchange_that_cannot_have_been_is_refused(tmp_path: Path, change: dict[str, str], says: str) -> None:
    """Its register must be there at its time, and its values must be what it can show."""
    write_files(tmp_path, exchanges=[{**EXCHANGE, **change}])
    with pytest.raises(RegistryFault, match=r"exchanges\.csv:2") as fault:
        read_files(tmp_path)

    assert says in str(fault.value)


def test_an_exchange_stands_once_and_may_leave_its_register_out(tmp_path: Path) -> None:
    """The main register is meant; the same instant twice is a mistake."""
    write_files(tmp_path, exchanges=[EXCHANGE])
    assert ["energy_import_kwh"] == [line.register_ for line in read_files(tmp_path)["exchanges"]]
    write_files(tmp_path, exchanges=[EXCHANGE, EXCHANGE])
    with pytest.raises(RegistryFault, match="stands already in line 2"):
        read_files(tmp_path)
