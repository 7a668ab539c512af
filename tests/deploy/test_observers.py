"""Prometheus and Alertmanager of compose.yaml: the real servers on the mounted files. Debian has no package of Grafana."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from ingest.alerts import rules
from ingest.stack import Programs, places, programs
from ingest.stack.relocation import TEMPLATES, WEB
from tests.databases import ROOT
from tests.deploy import composed
from tests.deploy.started import AsComposed, replaced
from tests.running import eventually, own_directory

SOONER: Final = {"scrape_interval: 15s": "scrape_interval: 4s", "evaluation_interval: 15s": "evaluation_interval: 1s"}
"""Nobody waits for a quarter of a minute; but no longer than until the next one is due Prometheus waits for a page."""


@pytest.fixture(scope="module")
def found() -> Programs:
    return programs(print)


@contextmanager
def running(found: Programs, name: str, program: Path, shared: Any, known: Mapping[str, str] | None = None) -> Iterator[AsComposed]:
    """The service, with what compose mounts for it copied to where its user can read it. `known`: where containers are here."""
    of = composed.services()[name]
    with own_directory() as directory:
        moved = {"/etc/": f"{places.provide(directory / 'etc')}/"}
        for mount in of["volumes"]:
            target = directory / mount["target"].lstrip("/")
            if mount["type"] == "bind" and Path(mount["source"]).exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if Path(mount["source"]).is_dir() else shutil.copyfile)(mount["source"], target)
            elif mount["type"] == "volume":
                target.parent.mkdir(parents=True, exist_ok=True)
                moved[mount["target"]] = str(places.provide(target))
        moved = {f"={old}": f"={new}" for old, new in moved.items()}
        for path in directory.rglob("prometheus.yml"):
            path.write_text(replaced(path.read_text(), {**SOONER, **(known or {})}))
        server = AsComposed(found, directory / "run", program, of["command"], moved)
        shared.provide(found.root, server.working_directory)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def asked(server: AsComposed, path: str) -> Any:
    """What its API answers."""
    status, body = server.page(path)
    assert status == 200, body
    return json.loads(body)


async def test_prometheus_starts_on_the_mounted_files_and_misses_a_service_that_is_not_there(found: Programs) -> None:
    """So the rules are loaded, and the job has the name they know. Nothing answers at the containers' names here."""
    with running(found, "prometheus", found.prometheus, WEB) as server:
        groups = asked(server, "/api/v1/rules")["data"]["groups"]
        assert sum(len(group["rules"]) for group in groups) == rules().count("- alert: ") + rules().count("- record: ")
        await eventually(lambda: {"meterwarden", "prometheus", "alertmanager", "node"} == jobs(server), "targets")
        await eventually(lambda: "MeterwardenIngestDown" in alerts(server), "the alert waits")


def jobs(server: AsComposed) -> set[str]:
    """Jobs that something is scraped for."""
    return {target["labels"]["job"] for target in asked(server, "/api/v1/targets")["data"]["activeTargets"]}


def alerts(server: AsComposed) -> set[str]:
    """Names of the alerts that wait or fire."""
    return {alert["labels"]["alertname"] for alert in asked(server, "/api/v1/alerts")["data"]["alerts"]}


def test_promtool_accepts_the_mounted_configuration(found: Programs, tmp_path: Path) -> None:
    """With the rules where it looks for them."""
    for mount in composed.services()["prometheus"]["volumes"]:
        if mount["type"] == "bind":
            target = tmp_path / mount["target"].lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if Path(mount["source"]).is_dir() else shutil.copyfile
            copy(mount["source"], target)
    done = subprocess.run(
        [found.promtool, "check", "config", "--lint-fatal", tmp_path / "etc/prometheus/prometheus.yml"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(list((ROOT / 'ingest' / 'alerts').glob('*.yaml')))} rule files found" in done.stdout


def test_alertmanager_starts_on_the_mounted_files(found: Programs) -> None:
    """amtool accepts them where they are mounted, and the server is ready without a cluster."""
    with running(found, "alertmanager", found.alertmanager, TEMPLATES) as server:
        done = subprocess.run(
            [found.amtool, "check-config", server.directory.parent / "etc/alertmanager/alertmanager.yml"],
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert asked(server, "/api/v2/status")["cluster"]["status"] == "disabled"
