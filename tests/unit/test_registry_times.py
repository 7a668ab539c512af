"""From when to when a registry line holds: local dates, instants with an offset, nothing in between."""

from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from ingest.storage.registry_csv import RegistryFault, read_files
from ingest.storage.registry_lines import begin, end
from tests.registries import meter, write_files
from tests.workbooks import mistakes_in


def test_versions_of_a_meter_may_follow_each_other(tmp_path: Path) -> None:
    """One ends where the next begins: a day belongs to one of them."""
    versions = [meter(valid_to="2025-07-01"), meter(valid_from="2025-07-01", ratio=40)]

    assert 2 == len(read_files(write_files(tmp_path, meters=versions))["meters"])


def test_an_instant_with_its_offset_is_kept(tmp_path: Path) -> None:
    """A meter exchanged at half past eight belongs to the new ratio from then on."""
    [line] = read_files(write_files(tmp_path, meters=[meter(valid_from="2026-01-05T08:30:00+08:00")]))["meters"]

    assert datetime(2026, 1, 5, 8, 30, tzinfo=timezone(timedelta(hours=8))) == line.valid_from


@pytest.mark.parametrize("text", ["20240101", "45658", "86400", "2024-1-1", "2026-01-05 08:30:00+08:00", "2026-W02-1"])
def test_only_a_date_written_out_is_a_date(tmp_path: Path, text: str) -> None:
    """20240101 is not the 23rd of August 1970, nor is Excel's day number a moment of that year."""
    expected = f"write a date such as 2026-01-01, or a time with its offset, such as 2026-01-01T08:00:00+08:00 (found {text!r})"

    assert [f"meters.csv:2: valid_from: {expected}"] == mistakes_in(write_files(tmp_path, meters=[meter(valid_from=text)]))


def test_midnight_with_an_offset_is_an_instant(tmp_path: Path) -> None:
    """Midnight in Greenwich is eight in the morning in 咸宁."""
    [line] = read_files(write_files(tmp_path, meters=[meter(valid_from="2026-01-05T00:00:00+00:00")]))["meters"]

    assert isinstance(line.valid_from, datetime)
    assert datetime(2026, 1, 5, 8, tzinfo=timezone(timedelta(hours=8))) == line.valid_from


@pytest.mark.parametrize("text", ["2026-01-05T00:00:00", "2026-01-05T08:30:00", "2026-01-05T08:30"])
def test_a_naive_time_is_refused_also_at_midnight(tmp_path: Path, text: str) -> None:
    """Nobody can know which clock it means."""
    expected = f"write a date such as 2026-01-01, or a time with its offset, such as 2026-01-01T08:00:00+08:00 (found {text!r})"

    assert [f"meters.csv:2: valid_from: {expected}"] == mistakes_in(write_files(tmp_path, meters=[meter(valid_from=text)]))


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
