"""Quota rows of the registry: at most one applies to an institution, and what they leave out exists."""

from pathlib import Path
from typing import Any

import pytest

from ingest.storage.registry_csv import read_files
from tests.registries import QUOTAS, mistakes_in, write_files


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

    assert [f"quotas.csv:4: {expected}"] == mistakes_in(write_files(tmp_path, quotas=quotas))


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


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        (QUOTAS[0] | {"excludes": "D7"}, "quotas.csv:2: excludes: unknown exclusion 'D7': use sub-items (A, A1, "),
        (QUOTAS[1] | {"excludes": "D1"}, "quotas.csv:2: excludes: water_per_person has no sub-items to leave out; leave it empty"),
    ],
)
def test_an_exclusion_that_cannot_be_is_named(tmp_path: Path, quota: dict[str, Any], expected: str) -> None:
    """Sub-items and chargers, of electricity."""
    [mistake] = mistakes_in(write_files(tmp_path, quotas=[quota]))
    assert mistake.startswith(expected), mistake


def test_exclusions_are_kept_in_one_order(tmp_path: Path) -> None:
    """So that a row written again with them turned round is the same row."""
    [line] = read_files(write_files(tmp_path, quotas=[QUOTAS[0] | {"excludes": "charger; D1"}]))["quotas"]

    assert "D1;charger" == line.excludes
