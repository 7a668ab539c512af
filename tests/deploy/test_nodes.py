"""The node exporter of compose.yaml: the real one, shown three volumes as in a container, scraped by the real Prometheus."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from ingest.stack import Programs, Stack, free_port, programs
from ingest.stack.relocation import WEB
from tests.alerts.test_rules import OF_BACKUPS, OF_NODES
from tests.databases import ROOT, Database
from tests.deploy import composed
from tests.deploy.packaged import program
from tests.deploy.started import AsComposed, replaced
from tests.deploy.test_backup import script
from tests.deploy.test_observers import alerts, asked, running
from tests.running import eventually, own_directory

NODE: Final = "node-exporter"
NAMESPACES: Final = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount", "--pid", "--fork", "--kill-child",
                     "--mount-proc"]  # fmt: skip
"""Processes and mounts of its own, as an engine gives a container."""
NOBODY: Final = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--bounding-set=-all",
    "--inh-caps=-all",
    "--no-new-privs",
    "--",
]


def node_exporter() -> Path:
    """Debian's."""
    return program("prometheus-node-exporter", Path("usr/bin/prometheus-node-exporter"))


@contextmanager
def watching(root: Path) -> Iterator[int]:
    """The exporter with compose's command and mounts, each volume closed to it; its port. `root` stands for the container's."""
    if shutil.which("unshare") is None or subprocess.run([*NAMESPACES, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody make a namespace of mounts")
    of = composed.services()[NODE]
    mounts = {root / mount["target"].lstrip("/"): mount["type"] for mount in of["volumes"]}
    targets = [*mounts, root / "something" / "else"]
    binds = "".join(f"mount --bind {target} {target} && mount -o remount,ro,bind {target} && " for target in targets)
    for target in targets:
        target.mkdir(parents=True, mode=0o755 if mounts.get(target) == "bind" else 0o700, exist_ok=True)
    port = free_port()
    arguments = [replaced(argument, {"^/": f"^{root}/", "=/": f"={root}/"}) for argument in of["command"]] + [
        f"--web.listen-address=127.0.0.1:{port}"
    ]
    user = NOBODY if os.geteuid() == 0 else []
    process = subprocess.Popen(
        [*NAMESPACES, "sh", "-ec", f'{binds}exec "$@"', "sh", *user, node_exporter(), *arguments],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield port
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """The first process of the namespace, and with it all others: it has changed its user, so it does not end with its parent."""
    for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        os.kill(int(child), signal.SIGKILL)
    process.wait(20)


def series(server: AsComposed, metric: str) -> list[dict[str, Any]]:
    """What Prometheus has of it."""
    found: list[dict[str, Any]] = asked(server, f"/api/v1/query?query={metric}")["data"]["result"]
    return found


async def test_prometheus_knows_the_room_on_every_volume_and_nothing_else_of_the_machine() -> None:
    """By every metric that the rules use, as the file system itself says; the exporter cannot look into the volumes."""
    found: Programs = programs(print)
    with (
        own_directory() as root,
        watching(root) as port,
        running(found, "prometheus", found.prometheus, WEB, {f"{NODE}:9100": f"127.0.0.1:{port}"}) as server,
    ):
        await eventually(lambda: OF_NODES <= {name for name in OF_NODES if series(server, name)}, "scraped")
        volumes = {str(root / "watched" / name) for name in ("database", "broker", "prometheus")}
        for name in OF_NODES:
            assert volumes == {one["metric"]["mountpoint"] for one in series(server, name)}
            assert {"node"} == {one["metric"]["job"] for one in series(server, name)}
        size = os.statvfs(root).f_blocks * os.statvfs(root).f_frsize
        assert {size} == {int(float(one["value"][1])) for one in series(server, "node_filesystem_size_bytes")}
        assert {0} == {int(one["value"][1]) for one in series(server, "node_filesystem_device_error")}


async def test_prometheus_knows_how_the_last_backup_went(stack: Stack, database: Database, tmp_path: Path) -> None:
    """By every metric that the rules and the runbook use, from the files of the shipped script; a half-written one is not read."""
    found: Programs = programs(print)
    with own_directory() as root:
        root.chmod(0o755)
        textfiles = root / "textfiles"
        textfiles.mkdir(mode=0o755)
        done = script(stack, "backup", tmp_path / "backup", database.name, BACKUP_METRICS=str(textfiles))
        assert done.returncode == 0, done.stderr
        (textfiles / ".meterwarden_backup.1").write_text("meterwarden_backup_si")
        with (
            watching(root) as port,
            running(found, "prometheus", found.prometheus, WEB, {f"{NODE}:9100": f"127.0.0.1:{port}"}) as server,
        ):
            await eventually(lambda: OF_BACKUPS <= {name for name in OF_BACKUPS if series(server, name)}, "scraped")
            (size,) = series(server, "meterwarden_backup_size_bytes")
            assert float(size["value"][1]) == (tmp_path / "backup" / "database.dump").stat().st_size
            assert "node" == size["metric"]["job"]
            (error,) = series(server, "node_textfile_scrape_error")
            assert "0" == error["value"][1]


async def test_an_exporter_that_is_gone_is_missed() -> None:
    """Nothing answers at the container's name here."""
    found: Programs = programs(print)
    with running(found, "prometheus", found.prometheus, WEB) as server:
        await eventually(lambda: "MeterwardenDiskUnwatched" in alerts(server), "waits")
        assert "MeterwardenDiskLow" not in alerts(server)


def test_it_is_shown_volumes_as_they_are_and_nothing_of_the_machine() -> None:
    """Were it the first to be given a new volume, an engine would make that root's, and the database could not write to it."""
    of = composed.services()[NODE]
    volumes = [mount for mount in of["volumes"] if mount["type"] != "bind"]
    assert {"database", "broker-data", "prometheus"} == {mount["source"] for mount in volumes}
    assert {("volume", True, True)} == {(mount["type"], mount["read_only"], mount["volume"]["nocopy"]) for mount in volumes}
    (textfiles,) = [mount for mount in of["volumes"] if mount["type"] == "bind"]
    assert (str(ROOT / "deploy" / "compose" / "textfiles"), True) == (textfiles["source"], textfiles["read_only"])
    assert {"timescaledb", "mosquitto", "prometheus"} == set(of["depends_on"])
    assert not {"pid", "network_mode", "ports"} & set(of)
