"""Meters of a registry as trees: parents, virtual meters and their formulas, the rule for photovoltaics."""

from pathlib import Path
from typing import Any

import pytest

from ingest.storage.registry_csv import read_files
from tests.registries import meter, write_files, write_lines
from tests.workbooks import mistakes_in

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
    mistakes = mistakes_in(write_files(tmp_path, meters=lines))

    assert [True] * len(expected) == [one.startswith(start) for one, start in zip(mistakes, expected, strict=True)], mistakes


def test_a_meter_and_its_parent_may_differ_in_medium_only_for_chargers_behind_electricity(tmp_path: Path) -> None:
    """A charger hangs on an electricity meter."""
    meters = [meter(), meter("C1", medium="charger", role="sub", parent="E1")]

    assert "E1" == read_files(write_files(tmp_path, meters=meters))["meters"][1].parent


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
    write_lines(directory / "virtual_meters.csv", [line])

    [mistake, *_] = mistakes_in(directory)
    assert mistake.startswith(expected), mistake


def test_virtual_meters_and_pv_rules_are_read(tmp_path: Path) -> None:
    """A formula is kept as it will be written for ever."""
    directory = write_files(tmp_path, meters=TREE)
    write_lines(directory / "virtual_meters.csv", [VIRTUAL | {"formula": " E1 -  2 * E2", "sub_item": "C"}])
    rule = {"institution": "I1", "pv_rule": "net", "valid_from": "2026-01-01", "source": "letter of 2025"}
    write_lines(directory / "pv_rules.csv", [rule])
    files = read_files(directory)

    assert ["E1 - 2*E2"] == [line.formula for line in files["virtual_meters"]]
    assert ["net"] == [line.pv_rule for line in files["pv_rules"]]
