"""A finished benchmark -> tables: on the terminal, and as Markdown by `python -m benchmarks.report < results.json`. Pure."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from benchmarks.figures import Measure, Run, bottleneck, typical, typical_cores
from benchmarks.targets import TARGETS, Target, Verdict, verdicts

PARTS: Final = ("broker", "ingest", "database", "generator", "elsewhere")
RATES: Final = ("readings_per_s", "messages_per_s", "rows_per_s", "channels_per_s")
NOT_IN_OTHERS: Final = (*RATES, "ingest_cpu_us", "database_cpu_us", "rss_mib")

Rows = list[list[str]]


def document(runs: Sequence[Run], targets: Sequence[Target], about: Mapping[str, Any]) -> dict[str, Any]:
    """Everything, as JSON: `about` (hardware, versions), raw runs, and each target with what was measured."""
    return {
        **about,
        "runs": [{"scenario": run.scenario, "figures": dict(run.figures), "cores": dict(run.cores)} for run in runs],
        "targets": [
            {"target": found.target.text, "limit": found.target.limit, "at": "least" if found.target.least else "most",
             "judged": found.target.judged, "measured": found.measured, "verdict": found.word}
            for found in verdicts(runs, targets, about["size"])
        ],
    }  # fmt: skip


def runs_of(read: Mapping[str, Any]) -> list[Run]:
    """The raw runs of a document."""
    return [Run(run["scenario"], run["figures"], run["cores"]) for run in read["runs"]]


def scenario_rows(runs: Sequence[Run], cores: int) -> Rows:
    """A row a scenario, medians, the headings first."""
    heads = ["scenario", "a second", "CPU us: ingest", "database", "RSS MiB", *(f"{part} cores" for part in PARTS), "limited by",
             "other figures"]  # fmt: skip
    return [heads, *(_scenario_row(runs, name, cores) for name in dict.fromkeys(run.scenario for run in runs))]


def target_rows(found: Iterable[Verdict]) -> Rows:
    """A row a target, the headings first."""
    rows = [["target", "limit", "measured", "verdict"]]
    for verdict in found:
        target = verdict.target
        limit = f"{'>=' if target.least else '<='} {number(target.limit)}"
        rows.append([target.text, limit, "-" if verdict.measured is None else number(verdict.measured), verdict.word])
    return rows


def aligned(rows: Rows) -> str:
    """Columns for a terminal: the first to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) if at in (0, len(row) - 1) else cell.rjust(width)
                  for at, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in rows
    )  # fmt: skip


def markdown(rows: Rows) -> str:
    """The same as a Markdown table."""
    head, *body = rows
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *body])


def number(value: float) -> str:
    """Three significant digits, thousands apart."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _scenario_row(runs: Sequence[Run], name: str, cores: int) -> list[str]:
    def shown(figure: str) -> str:
        value = typical(runs, Measure(name, figure))
        return "" if value is None else number(value)

    busy = typical_cores(runs, name)
    rate = next(filter(None, (_rate(runs, name, figure) for figure in RATES)), "")
    figures = dict.fromkeys(figure for run in runs if run.scenario == name for figure in run.figures)
    others = ", ".join(f"{figure} {shown(figure)}" for figure in figures if figure not in NOT_IN_OTHERS)
    parts = [f"{busy[part]:.2f}" if part in busy else "" for part in PARTS]
    return [name, rate, shown("ingest_cpu_us"), shown("database_cpu_us"), shown("rss_mib"), *parts, bottleneck(busy, cores), others]


def _rate(runs: Sequence[Run], name: str, figure: str) -> str:
    value = typical(runs, Measure(name, figure))
    return "" if value is None else f"{number(value)} {figure.removesuffix('_per_s')}"


def main() -> None:
    """The Markdown tables of a document on stdin."""
    read = json.load(sys.stdin)
    runs, hardware = runs_of(read), read["hardware"]
    versions = ", ".join(f"{name} {version}" for name, version in read["versions"].items())
    print(f"{hardware['cpu']}, {hardware['cores']} cores, {hardware['memory_gib']} GiB of memory, Linux {hardware['kernel']};")
    print(f"{versions}.")
    print(f"Size `{read['size']}`, {read['started']} UTC, {read['seconds']:.0f} s in all.\n")
    print(markdown(target_rows(verdicts(runs, TARGETS, read["size"]))))
    print()
    print(markdown(scenario_rows(runs, hardware["cores"])))


if __name__ == "__main__":
    main()
