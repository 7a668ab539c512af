"""Every command, query and sample in docs/: typed, run and read here, or listed in instead.py with the reason why not."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import psycopg
import pytest

from ingest.settings import Settings
from ingest.stack import Stack, programs
from ingest.storage.registry_csv import read_files
from simulators.scenario import parse
from tests.acceptance.instead import INSTEAD, SETTING, Instead, is_asked_for_help, is_composed, is_known, is_made
from tests.acceptance.pages import FUNCTIONS, PREPARED, Scene, nothing
from tests.acceptance.shells import checkout, shell
from tests.databases import ROOT, Database
from tests.deploy.started import replaced
from tests.documents import Step, blocks, typed
from tests.registries import institution, meter, write_files

PAGES: Final = {path.relative_to(ROOT / "docs").as_posix(): path for path in sorted((ROOT / "docs").rglob("*.md"))}
STEPS: Final = {page: steps for page, path in PAGES.items() if (steps := typed(path))}
SAMPLES: Final = ("yaml", "toml", "csv", "cron")
EXIT_STATUS: Final = {("cli.md", "meterwarden check\n"): 1}
"""Commands that end otherwise than with 0, as their page says."""


def instead(page: str, step: Step) -> Instead | None:
    """The line of the table that speaks of the step."""
    return next((line for line in INSTEAD if line.holds(page, step.commands)), None)


def ending_well(page: str, step: Step) -> Step:
    """The step, with status 0 where it ends as its page says."""
    status = EXIT_STATUS.get((page, step.commands))
    return Step(f"{step.commands.rstrip()} || test $? = {status}\n", step.shown) if status else step


@pytest.mark.parametrize("page", [page for page, steps in STEPS.items() if any(instead(page, step) is None for step in steps)])
async def test_every_command_of_the_page_does_what_it_says(page: str, stack: Stack, database: Database, tmp_path: Path) -> None:
    """In order, in one shell, on real servers; what the page shows comes with each of its words."""
    scene = Scene(tmp_path / "root", stack, database)
    async with PREPARED.get(page, nothing)(scene), shell(checkout(tmp_path / "checkout"), scene.environment()) as reader:
        await reader.run(FUNCTIONS)
        for step in STEPS[page]:
            if instead(page, step) is None:
                await reader.type(scene.here(ending_well(page, step)))


@pytest.mark.parametrize("line", INSTEAD, ids=lambda line: f"{line.page}: {line.pattern}")
def test_what_is_not_typed_is_there_and_checked_otherwise(line: Instead) -> None:
    """A line that speaks of no command is out of date."""
    found = [step.commands for step in STEPS[line.page] if instead(line.page, step) is line]

    assert found
    assert line.reason
    for command in found:
        line.check(command)


def test_every_page_that_is_prepared_has_commands() -> None:
    """And every block says what it is, so that no command hides in one that does not."""
    languages = {block.language for path in PAGES.values() for block in blocks(path)}

    assert set() == set(PREPARED) - set(STEPS)
    assert languages == {"sh", "console", "text", "sql", "promql", *SAMPLES}
    assert [] == [page for page, path in PAGES.items() for block in blocks(path)
                  if block.language == "text" and re.search(r"^(\$ |meterwarden )", block.text, re.MULTILINE)]  # fmt: skip
    assert [] == [
        page
        for page, path in PAGES.items()
        if re.search(r"^    (meterwarden|python|make|docker|sudo|curl|psql) ", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]


async def test_every_query_runs_as_the_reader(database: Database) -> None:
    """Against a migrated database, with the reader's privileges."""
    statements = [(page, statement) for page, text in samples("sql") for statement in text.split(";\n") if statement.strip()]

    assert len(statements) > 10
    async with await psycopg.AsyncConnection.connect(database.reader_url, autocommit=True) as connection:
        for page, statement in statements:
            assert (await connection.execute(statement)).description, f"{page}: {statement}"


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_running_text_are_known(page: str) -> None:
    """`meterwarden`, `make`, `python -m`, `docker compose` in a sentence: commands, options, targets, modules that there are."""
    checks = {"meterwarden": is_known, "make": is_made, "python": is_asked_for_help, "docker": is_composed}
    inline = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", PAGES[page].read_text(encoding="utf-8"))

    for command in inline:
        program, _, rest = command.split("|")[0].split(">")[0].split("<")[0].partition(" ")
        if rest and program in checks:
            checks[program](f"{program} {rest}")


def samples(language: str) -> list[tuple[str, str]]:
    """Every block of a language, with its page."""
    return [(page, block.text) for page, path in PAGES.items() for block in blocks(path) if block.language == language]


def test_every_expression_is_one_of_prometheus(tmp_path: Path) -> None:
    """As promtool parses it; test_runbook.py holds the names of its metrics."""
    expressions = [line for _, text in samples("promql") for line in text.splitlines()]

    assert len(expressions) > 5
    rules = [{"record": f"documented:{number}", "expr": expression} for number, expression in enumerate(expressions)]
    path = tmp_path / "rules.json"  # which is YAML too
    path.write_text(json.dumps({"groups": [{"name": "documented", "rules": rules}]}), encoding="utf-8")
    accepts(programs(print).promtool, "check", "rules", path)


def accepts(*command: str | Path) -> None:
    """The command ends with 0."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_lines_of_environment_files_are_settings() -> None:
    """All of a page together, as one file."""
    of_pages = {
        page: [line for step in steps if re.fullmatch(SETTING, line := step.commands.strip())] for page, steps in STEPS.items()
    }

    assert {"broker.md", "gateways.md"} == {page for page, lines in of_pages.items() if lines}
    for lines in of_pages.values():
        with pytest.MonkeyPatch.context() as environment:
            for name in [name for name in os.environ if name.startswith("METERWARDEN_")]:
                environment.delenv(name)
            for name, _, text in (line.partition("=") for line in lines):
                environment.setenv(name, text)
            changed = Settings().model_dump(exclude_unset=True, exclude_defaults=True)
        assert sum(len(part) for part in changed.values()) == len(lines), "one has the default's value"


def test_every_sample_is_read_by_what_reads_such_files(tmp_path: Path) -> None:
    """A page with a new one fails here until it is said how to read it."""
    readers: dict[tuple[str, str], Callable[[str], object]] = {
        ("alerts.md", "yaml"): partial(prometheus_reads, tmp_path),
        ("deployment.md", "yaml"): lambda _text: None,  # test_compose.py: Compose itself
        ("deployment.md", "cron"): cron_reads,
        ("simulator.md", "toml"): lambda text: parse(text, "documented"),
        ("registry.md", "csv"): partial(registry_reads, tmp_path),
    }

    assert set(readers) == {(page, language) for language in SAMPLES for page, _ in samples(language)}
    for (page, language), read in readers.items():
        for of, text in samples(language):
            if of == page:
                read(text)


def prometheus_reads(directory: Path, text: str) -> None:
    """Part of prometheus.yml, with the rules of this checkout."""
    path = directory / "prometheus.yml"
    path.write_text(replaced(text, {"/etc/prometheus/rules/": f"{ROOT}/ingest/alerts/"}), encoding="utf-8")
    accepts(programs(print).promtool, "check", "config", path)


def cron_reads(text: str) -> None:
    """Lines of five fields of time and a user, then commands of ours; a % would be a line's end to cron."""
    for line in text.splitlines():
        *_when, _user, command = line.split(None, 6)
        assert re.fullmatch(r"(?:[\d*]\S* +){5}root +cd \S+ && [^%]*", line)
        named = re.findall(r"deploy/\S+", command)
        assert named
        assert [] == [path for path in named if not (ROOT / path).exists()]
        if "docker compose" in command:
            is_composed(command)
        accepts("bash", "-n", "-c", command)


def registry_reads(directory: Path, text: str) -> None:
    """A line of virtual_meters.csv, of an institution with the meters it names."""
    of = "SCHOOL-1"
    files = write_files(directory / "registry", [institution(of)], [meter(name, of=of) for name in ("E1", "E2", "E3")])
    heading = "institution,medium,meter,formula,role,parent,sub_item,valid_from,valid_to\n"
    (files / "virtual_meters.csv").write_text(heading + text, encoding="utf-8")
    assert read_files(files)["virtual_meters"]
