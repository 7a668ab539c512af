"""Mistakes in registry lines: every one is named with its place and what to do, all at once, and nothing is guessed."""

import re
from pathlib import Path
from typing import Any

import pytest

from ingest.storage.registry_csv import RegistryFault, read_files
from tests.registries import QUOTAS, institution, meter, write_files
from tests.workbooks import mistakes_in


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
        ({"institutions": [institution("meterwarden")]},
         "institutions.csv:2: institution: .*'meterwarden' is the service's own: choose another code"),
        ({"institutions": [institution(**{"class": "office"})]}, "institutions.csv:2: class: .*'government'.*'other'.*'office'"),
        ({"institutions": [institution(area=0)]}, "denominators.csv:2: value: .*greater than 0.*'0'"),
        ({"institutions": [institution(area="1e7")]}, "denominators.csv:2: value: .*less than 10000000.*'1e7'"),
        ({"quotas": [QUOTAS[0] | {"constraint": "9999999999"}]}, "quotas.csv:2: constraint: .*less than 1000000.*'9999999999'"),
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
    mistakes = mistakes_in(write_files(tmp_path, **lines))

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
    assert expected in mistakes_in(write_files(tmp_path, **lines))


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    """One pass mends them: of several lines, columns and files together."""
    directory = write_files(
        tmp_path,
        timezone="Mars/Olympus",
        meters=[meter(ratio="x", role="y"), meter("E2"), meter("E3", interval_minutes=0)],
        quotas=[QUOTAS[0] | {"unit": "MWh"}],
    )
    (directory / "institutions.csv").unlink()
    places = [":".join(mistake.split(":")[:2]).removeprefix(f"{directory}/") for mistake in mistakes_in(directory)]

    expected = ["regions.csv:2", "institutions.csv: missing; write it with the columns in docs/registry.md", "meters.csv:2",
                "meters.csv:2", "meters.csv:4", "quotas.csv:2"]  # fmt: skip
    assert expected == places


def test_mistakes_between_lines_are_named_at_once(tmp_path: Path) -> None:
    """Also those that only the files together show."""
    meters = [meter(), meter(), meter("E2", of="I9"), meter("E3", parent="E0")]

    mistakes = mistakes_in(write_files(tmp_path, meters=meters, institutions=[institution()]))

    assert ["meters.csv:3", "meters.csv:4", "meters.csv:5"] == sorted(mistake[:12] for mistake in mistakes)


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
