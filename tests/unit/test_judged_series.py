"""`python -m benchmarks.series`: files of real series, judged as stored days would be."""

from datetime import datetime, timedelta
from pathlib import Path

from click.testing import CliRunner

from benchmarks.series import main

FIRST = datetime(2026, 3, 2)  # noqa: DTZ001 - a Monday, in the zone that is told


def write(path: Path, still_days: range) -> None:
    """Forty days of an office, hourly; on some of them its register stands still from 02:00 on."""
    lines = ["timestamp,E1,E2"]
    for hour in range(40 * 24):
        amount = (20 if 8 <= hour % 24 < 18 else 5) + hour * 7 % 5 / 10
        still = hour // 24 in still_days and hour % 24 >= 2
        lines.append(f"{(FIRST + timedelta(hours=hour)).isoformat()},{amount},{0 if still else amount}")
    path.write_text("\n".join(lines), encoding="utf-8")


def test_a_directory_of_files_is_judged(tmp_path: Path) -> None:
    """Every file with the rules that speak in it; the sound meter is quiet, and what is no file of series is left out by name."""
    write(tmp_path / "a.csv", range(30, 32))
    write(tmp_path / "b.csv", range(0))
    (tmp_path / "c.csv").write_text("name,colour\nred,blue\n", encoding="utf-8")

    result = CliRunner().invoke(main, [str(tmp_path), "--timezone", "Asia/Shanghai", "--details"])

    assert 0 == result.exit_code, result.output
    of_a, of_b = result.output.split("b.csv")
    assert "E2 zero_run 2026-04-01 to 2026-04-03" in of_a
    assert "E1" not in of_a
    assert "zero_run" not in of_b
    assert "c.csv: left out" in of_b
