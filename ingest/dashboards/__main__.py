"""Write every dashboard: `python -m ingest.dashboards [--timezone Asia/Urumqi] [--into deploy/grafana/dashboards]`."""

import argparse
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from ingest.dashboards import chargers, institution, operations, quality, quotas
from ingest.dashboards.board import TIMEZONE

BOARDS: Final = (operations.BOARD, quotas.BOARD, institution.BOARD, quality.BOARD, chargers.BOARD)
FOLDER: Final = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards"


def main() -> None:
    """Write every file."""
    parser = argparse.ArgumentParser(prog="python -m ingest.dashboards", description="Write the Grafana dashboards.")
    parser.add_argument("--timezone", default=TIMEZONE, help=f"the zone boards are read in (default {TIMEZONE})")
    parser.add_argument("--into", type=Path, default=FOLDER, help="the folder (default deploy/grafana/dashboards)")
    given = parser.parse_args()
    ZoneInfo(given.timezone)  # a zone nobody knows ends here
    given.into.mkdir(parents=True, exist_ok=True)
    for board in BOARDS:
        (given.into / f"{board.name}.json").write_text(board.text(given.timezone), encoding="utf-8")


if __name__ == "__main__":
    main()
