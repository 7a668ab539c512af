"""The units, as systemd itself reads and rates them, and that they name only what exists."""

import re
import shutil
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Final

import pytest

from ingest.settings import Settings
from tests.databases import ROOT
from tests.deploy.named import variables

UNITS: Final = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
TIMERS: Final = sorted((ROOT / "deploy" / "systemd").glob("*.timer"))
SAMPLES: Final = sorted((ROOT / "deploy" / "systemd").glob("*.env"))
MOST_EXPOSED: Final = 15
"""Of 100, by systemd's own rating; a unit without any protection has 96. What is left is the network, which they need."""
START_SECONDS: Final = 30
"""What a try to migrate takes beside connecting, on a slow machine."""
ADDRESSES: Final = 4
"""So many of one host does libpq try, one after the other."""
QUIET_BEFORE: Final = 6
"""O'clock."""
PROTECTION: Final = re.compile(r"""^(?:DynamicUser|UMask|NoNew|Capab|Ambient|Protect|Private|ProcSubset|Remove|Restrict|Lock|
    MemoryDeny|SystemCall|LimitCORE)\w*=.*""", re.MULTILINE | re.VERBOSE)  # fmt: skip
every_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)


@pytest.fixture
def analyze(tmp_path: Path) -> list[str]:
    """systemd-analyze on a tree of its own with our units, the program, and the targets that every unit refers to."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze not found: apt-get install systemd")
    system = tmp_path / "etc" / "systemd" / "system"
    system.mkdir(parents=True)
    for unit in (*UNITS, *TIMERS):
        shutil.copy(unit, system)
    for target in ("sysinit", "basic", "shutdown", "network-online", "multi-user", "timers", "time-sync", "time-set"):
        (system / f"{target}.target").write_text(f"[Unit]\nDescription={target}\n")
    for name in ("bin/meterwarden", "database/nightly"):
        program_of_ours = tmp_path / "opt" / "meterwarden" / name
        program_of_ours.parent.mkdir(parents=True)
        program_of_ours.write_text("#!/bin/sh\n")
        program_of_ours.chmod(0o755)
    return [program, f"--root={tmp_path}", "--no-pager"]


def asked(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize("unit", [*UNITS, *TIMERS], ids=lambda path: path.name)
def test_systemd_accepts_the_unit(analyze: list[str], unit: Path) -> None:
    """No unknown setting, no value it would ignore: it says nothing at all."""
    done = asked([*analyze, "verify", "--man=no", unit.name])
    assert (0, "") == (done.returncode, done.stderr)


@every_unit
def test_systemd_rates_the_unit_as_protected(analyze: list[str], unit: Path) -> None:
    """Exit status 1 above the threshold."""
    done = asked([*analyze, "security", "--offline=true", f"--threshold={MOST_EXPOSED}", unit.name])
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_unit_is_less_protected_than_another() -> None:
    """The same sandbox, line by line."""
    sandboxes = {unit.name: PROTECTION.findall(unit.read_text(encoding="utf-8")) for unit in UNITS}
    assert len(sandboxes["meterwarden.service"]) > 25
    assert {unit.name: sandboxes["meterwarden.service"] for unit in UNITS} == sandboxes


@pytest.mark.parametrize("timer", TIMERS, ids=lambda path: path.stem)
def test_the_daily_work_is_started_every_night_and_made_up_for(analyze: list[str], timer: Path) -> None:
    """By systemd's own reading of the calendar: a day apart; not at the same second on every machine; also after a night off."""
    text = timer.read_text(encoding="utf-8")
    (calendar,) = re.findall(r"^OnCalendar=(.+)$", text, re.MULTILINE)
    said = asked([analyze[0], "calendar", "--iterations=3", calendar]).stdout
    times = [datetime.fromisoformat(found) for found in re.findall(r": \w{3} (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) ", said)]
    nights = {time.date() for time in times if time.hour < QUIET_BEFORE}
    assert len(nights) >= 3, said
    assert re.search(r"^Persistent=yes$", text, re.MULTILINE)
    assert re.search(r"^RandomizedDelaySec=1h$", text, re.MULTILINE)
    assert re.search(r"^WantedBy=timers.target$", text, re.MULTILINE)
    assert timer.with_suffix(".service") in UNITS


def test_every_variable_of_units_and_samples_is_a_setting() -> None:
    """A misspelt one would be ignored, or end the process at its start."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in (*UNITS, *SAMPLES))
    named = set(re.findall(r"^(?:# ?|Environment=)?(METERWARDEN_[A-Z0-9_]+)=", text, re.MULTILINE))
    assert len(named) > 5
    assert set() == named - variables()


@every_unit
def test_passwords_are_credentials(unit: Path) -> None:
    """Each variable that names a password's file names a credential that the unit loads; no sample holds one."""
    text = unit.read_text(encoding="utf-8")
    loaded = set(re.findall(r"^LoadCredential=([^:]+):/etc/meterwarden/secrets/", text, re.MULTILINE))
    named = set(re.findall(r"^Environment=\w+PASSWORD_FILE=%d/(\S+)$", text, re.MULTILINE))
    assert loaded
    assert loaded == named
    samples = "".join(path.read_text(encoding="utf-8") for path in SAMPLES)
    assert not re.search(r"PASSWORD|//[^/@\s]*:[^/@\s]*@", samples)


def seconds_of(text: str, name: str) -> int:
    """A span of time in a unit."""
    ((number, unit),) = re.findall(rf"^{name}=(\d+)(s|min|h|)$", text, re.MULTILINE)
    return int(number) * {"": 1, "s": 1, "min": 60, "h": 3600}[unit]


def test_a_migration_that_cannot_be_made_is_given_up_and_the_service_goes_on_without_it() -> None:
    """All tries lie within the span in which they are counted, also where each ends at a host that does not answer. The service
    starts after it and does not depend on it, and is itself tried for ever."""
    text = (ROOT / "deploy/systemd/meterwarden-migrate.service").read_text(encoding="utf-8")
    (tries,) = re.findall(r"^StartLimitBurst=(\d+)$", text, re.MULTILINE)
    (connect,) = re.findall(r"^Environment=PGCONNECT_TIMEOUT=(\d+)$", text, re.MULTILINE)
    a_try = seconds_of(text, "RestartSec") + START_SECONDS + ADDRESSES * int(connect)
    assert 600 <= int(tries) * seconds_of(text, "RestartSec")
    assert int(tries) * a_try < seconds_of(text, "StartLimitIntervalSec")
    service = (ROOT / "deploy/systemd/meterwarden.service").read_text(encoding="utf-8")
    depended = re.findall(r"^(?:Requires|Requisite|BindsTo|PartOf|Upholds|Conflicts)=.*", service, re.MULTILINE)
    assert [] == depended
    assert re.search(r"^After=.*\bmeterwarden-migrate\.service\b", service, re.MULTILINE)
    assert re.search(r"^Restart=always$", service, re.MULTILINE)
    assert 0 == seconds_of(service, "StartLimitIntervalSec")


def test_a_stop_leaves_time_to_drain() -> None:
    """systemd kills after TimeoutStopSec; the service gives up by itself two seconds after its grace period."""
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", (ROOT / "deploy/systemd/meterwarden.service").read_text(), re.MULTILINE)
    assert int(seconds) >= Settings().shutdown_grace_seconds + 5
