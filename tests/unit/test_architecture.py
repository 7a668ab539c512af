"""Imports point one way, and each library is known to one place. Read from the source, so that nothing is executed."""

import ast
import functools
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PURE = ("ingest/metering", "ingest/formats", "ingest/topics.py", "ingest/identity.py", "ingest/intake.py", "ingest/usual.py",
        "ingest/messages.py", "ingest/errors.py", "ingest/registry.py", "ingest/accounts.py")  # fmt: skip
IMPURE = {"asyncio", "logging", "os", "time", "random", "psycopg", "psycopg_pool", "paho", "aiomqtt", "mqtt5", "prometheus_client",
          "aiohttp", "socket", "ssl", "secrets", "subprocess", "threading"}  # fmt: skip
OURS = ("ingest", "schemas", "simulators")
KNOW_THE_DATABASE = ("ingest/storage", "ingest/commands")
"""The command line may open a connection to hand over."""


def _modules(*places: str) -> list[Path]:
    """The modules of files and folders, as far as they exist."""
    found: set[Path] = set()
    for place in places:
        path = ROOT / place
        found |= set(path.rglob("*.py")) if path.is_dir() else {path} if path.exists() else set()
    return sorted(found)


def _outside(*places: str) -> list[Path]:
    """The modules of ingest that lie in none of these places."""
    return sorted(set(_modules("ingest")) - set(_modules(*places)))


@functools.cache
def _imports(path: Path) -> frozenset[str]:
    """Dotted names of everything a module imports, wherever in it; `from a import b` counts as a.b."""
    names: set[str] = set()
    for node in _nodes(path):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _base(path, node)
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return frozenset(names)


def _nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path)))


def _base(path: Path, node: ast.ImportFrom) -> str:
    """The module a `from` import starts at, relative ones resolved."""
    if not node.level:
        return node.module or ""
    package = path.relative_to(ROOT).parent.parts
    parts = package[: len(package) - node.level + 1]
    return ".".join((*parts, *filter(None, [node.module])))


def _within(name: str, packages: Iterable[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _offenders(paths: Iterable[Path], packages: Iterable[str], allowed: Iterable[str] = ()) -> list[str]:
    """Imports of `packages`, `allowed` ones apart, as `file: name`."""
    packages, allowed = tuple(packages), tuple(allowed)
    return [f"{path.relative_to(ROOT)}: {name}" for path in paths for name in sorted(_imports(path))
            if _within(name, packages) and not _within(name, allowed)]  # fmt: skip


def test_what_talks_by_aiomqtt_beside_something_else_is_cancelled_until_it_ends() -> None:
    """Its cancellation may be lost together with an answer, and a TaskGroup cancels its tasks once."""
    users = [path for path in _modules("ingest") if "ingest.broker.client.client" in _imports(path)]
    calls = [(path, node) for path in users for node in _nodes(path) if isinstance(node, ast.Call)]
    begun = [(path, node.args[0]) for path, node in calls if ast.unparse(node.func).endswith(".create_task")]
    assert len(begun) >= 3
    assert [] == [f"{path.name}: {ast.unparse(work)}" for path, work in begun if not ast.unparse(work).startswith("apart(")]


def test_deciding_code_touches_no_clock_network_disk_or_chance() -> None:
    """What decides takes and returns values: the same input gives the same outcome for ever."""
    assert [] == _offenders(_modules(*PURE), IMPURE)


def test_deciding_code_has_no_coroutines() -> None:
    """`async` is for what does, not for what decides."""
    coroutines = [f"{path.name}: {node.name}" for path in _modules(*PURE) for node in _nodes(path)
                  if isinstance(node, ast.AsyncFunctionDef)]  # fmt: skip

    assert [] == coroutines


def test_deciding_code_asks_no_clock_of_datetime_either() -> None:
    """`datetime.now` and its kin would let the hour of the run into a result."""
    asked = [f"{path.name}: {node.func.attr}" for path in _modules(*PURE) for node in _nodes(path)
             if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
             and node.func.attr in ("now", "utcnow", "today")]  # fmt: skip

    assert [] == asked


def test_the_domain_knows_nothing_of_ours_around_it() -> None:
    """Metering stands alone; of the contract it may know the names of registers."""
    assert [] == _offenders(_modules("ingest/metering"), OURS, ("ingest.metering", "schemas.registers"))


def test_formats_know_the_contract_and_the_errors_alone() -> None:
    """A new payload format is one file that reaches neither the registry nor storage."""
    assert [] == _offenders(
        _modules("ingest/formats"), ("ingest", "simulators"), ("ingest.formats", "ingest.errors", "ingest.metering")
    )


def test_intake_reaches_no_edge() -> None:
    """Imports point from the edges to what decides, never back."""
    edges = ("ingest.storage", "ingest.broker", "ingest.web", "ingest.stack", "ingest.service", "ingest.cli", "ingest.commands",
             "ingest.settlement", "ingest.settings", "ingest.metrics", "ingest.alerts")  # fmt: skip

    assert [] == _offenders(_modules(*PURE), edges)


def test_the_simulator_never_sees_what_it_judges() -> None:
    """An oracle that shared code with ingest would share its mistakes."""
    assert [] == _offenders(_modules("simulators"), ["ingest"])


def test_the_service_never_sees_the_simulator() -> None:
    """They meet at the contract; only the command line, which starts both, may know both."""
    assert [] == _offenders([path for path in _modules("ingest") if path.name not in ("cli.py", "__main__.py")], ["simulators"])


def test_the_contract_knows_neither_side() -> None:
    """Both sides import it, so it imports none."""
    assert [] == _offenders(_modules("schemas"), ["ingest", "simulators"])


def test_one_place_knows_the_mqtt_codec() -> None:
    """Another broker library is another ingest/broker."""
    assert [] == _offenders(_outside("ingest/broker", "ingest/broker.py"), ["mqtt5"])


def test_storage_alone_knows_workbooks() -> None:
    """What is in one arrives as lines of the registry."""
    assert [] == _offenders(_outside("ingest/storage"), ["openpyxl"])


def test_storage_alone_knows_the_database() -> None:
    """What the world did to a connection arrives as Unavailable, whatever the driver calls it."""
    assert [] == _offenders(_outside(*KNOW_THE_DATABASE), ["psycopg", "psycopg_pool"])


def test_edges_do_not_import_each_other() -> None:
    """Broker, storage and web meet in the service alone."""
    edges = ("broker", "storage", "web")
    found = []
    for edge in edges:
        others = [f"ingest.{other}" for other in edges if other != edge]
        found += _offenders(_modules(f"ingest/{edge}", f"ingest/{edge}.py"), others)

    assert [] == found


@pytest.mark.parametrize(
    ("statement", "expected"),
    [("import os.path", {"os.path"}), ("from os import path", {"os.path"}), ("def f():\n    import socket", {"socket"}),
     ("from . import steps", {"ingest.metering.steps"}), ("from ..storage import queries", {"ingest.storage.queries"}),
     ("from .steps import Step", {"ingest.metering.steps.Step"})],
)  # fmt: skip
def test_imports_are_found_however_they_are_written(
    statement: str, expected: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Late, relative and dotted ones too: otherwise the tests above would hold by mistake."""
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    path = tmp_path / "ingest" / "metering" / "module.py"
    path.parent.mkdir(parents=True)
    path.write_text(statement, encoding="utf-8")

    assert expected == _imports(path)
    assert ["ingest/metering/module.py: " + next(iter(expected))] == _offenders([path], [next(iter(expected)).split(".")[0]])


def test_the_places_named_here_exist() -> None:
    """A folder that was renamed would leave its rule without a subject."""
    places = {*PURE, *KNOW_THE_DATABASE, "ingest/broker", "ingest/web", "schemas", "simulators"}

    assert [] == [place for place in places if not _modules(place)]
