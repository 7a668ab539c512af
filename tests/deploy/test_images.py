"""The images that compose.yaml and the Dockerfile name: by version, of those that are tested, pinned by content on request."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from ingest.stack import Programs, programs
from tests.databases import ROOT
from tests.deploy import composed
from tests.deploy.test_nodes import node_exporter

PINNED = re.compile(r"[a-z0-9/-]+:v?\d+\.\d+\.\d+[a-z0-9.-]*(@sha256:[0-9a-f]{64})?")
OURS = re.compile(r"meterwarden(-simulator)?:\d+\.\d+\.\d+")


def test_every_image_is_pinned_to_a_version() -> None:
    """Never `latest`, and no tag that moves with every release of its series."""
    built = re.findall(r"^FROM (\S+)(?: AS (\S+))?", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    stages = {stage for _, stage in built}
    images = {one["image"] for one in composed.services().values()} | {image for image, _ in built if image not in stages}
    assert [] == [image for image in images if not PINNED.fullmatch(image)]


def test_the_images_are_of_the_versions_that_are_tested_here() -> None:
    """Configurations, rules and migrations were tried on these and no others."""
    found = {re.sub(r"(-pg\d+|-openssl)?$", "", one["image"]) for one in composed.services().values()}
    tried = versions(programs(print))
    assert set(tried) == {image for image in found if image in tried}


def versions(of: Programs) -> list[str]:
    """Images of the versions that the embedded servers have."""
    broker = subprocess.run([of.mosquitto, "-h"], capture_output=True, text=True, check=False).stdout.split()[2]
    watching = [
        re.findall(r"version ([0-9.]+)", subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout)[
            0
        ]
        for program in (of.prometheus, of.alertmanager, node_exporter())
    ]
    control = (of.root / "usr/share/postgresql/17/extension/timescaledb.control").read_text()
    database = re.findall(r"default_version = '([0-9.]+)'", control)[0]
    return [
        f"eclipse-mosquitto:{broker}", f"timescale/timescaledb:{database}",
        f"prom/prometheus:v{watching[0]}", f"prom/alertmanager:v{watching[1]}",
        f"prom/node-exporter:v{watching[2]}",
    ]  # fmt: skip


def test_the_images_of_others_are_pinned_by_one_command(tmp_path: Path) -> None:
    """The shipped script with the registries' answers put in its way; compose itself reads the override."""
    digest = f"sha256:{'0123456789abcdef' * 4}"
    done = pinned(tmp_path, f"echo {digest}")
    assert done.returncode == 0, done.stderr
    (tmp_path / "compose.digests.yaml").write_text(done.stdout)
    read = composed.read(
        tmp_path, "COMPOSE_FILE=compose.yaml:compose.digests.yaml\nCOMPOSE_PROFILES=simulator\n", "--format", "json"
    )
    assert read.returncode == 0, read.stderr
    images = {name: of["image"] for name, of in json.loads(read.stdout)["services"].items()}
    before = {name: of["image"] for name, of in composed.services().items()}
    assert images == {name: image if OURS.fullmatch(image) else f"{image}@{digest}" for name, image in before.items()}


@pytest.mark.parametrize("answer", ["exit 1", "echo", "echo '{{.Manifest.Digest}}'"])
def test_an_image_without_a_digest_is_an_error(tmp_path: Path, answer: str) -> None:
    """Rather than an override that pins less than it seems to."""
    assert pinned(tmp_path, answer).returncode != 0


def pinned(directory: Path, answer: str) -> subprocess.CompletedProcess[str]:
    """The script's output; docker asks a registry, and none is reached from here."""
    program = directory / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n[ "$1 $2 $3 $4" = "buildx imagetools inspect --format" ] || exit 9\n{answer}\n')
    program.chmod(0o755)
    environment = {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    return subprocess.run([ROOT / "deploy/compose/pin"], env=environment, capture_output=True, text=True, check=False, timeout=300)
