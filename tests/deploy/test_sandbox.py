"""What the unit and the container forbid, the service does not need: watched by strace from its start to its end, at work."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from psycopg.conninfo import conninfo_to_dict

from ingest.stack import Stack
from tests.databases import ROOT, Database
from tests.published import at, institution_code, publish, topic
from tests.registries import import_files, institution, meter, write_files
from tests.running import Service, eventually, service_of

UNIT: Final = (ROOT / "deploy" / "systemd" / "meterwarden.service").read_text(encoding="utf-8")


@pytest.fixture
async def traced(stack: Stack, database: Database, tmp_path: Path) -> str:
    """Every system call of a service that stored a reading, quarantined a message, saw its canary, settled, and was stopped."""
    for program in ("strace", "systemd-analyze"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} not found: apt-get install strace systemd")
    code = institution_code()
    await import_files(database, write_files(tmp_path / "registry", [institution(code)], [meter(of=code)]))
    service = service_of(database, stack.mosquitto, tmp_path, settlement__enabled=True, canary__enabled=True)
    calls = tmp_path / "calls"
    await start(service, calls)
    try:
        await eventually(service.is_ready, "ready under strace", 180)
        await publish(stack.mosquitto, topic(code), [reading(0, 1), reading(7200, 2), b"?"])
        await eventually(lambda: settled(database), "settled", 180)
    finally:
        (child,) = Path(f"/proc/{service.pid}/task/{service.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGTERM)
        assert await service.status() == 0
    return calls.read_text(encoding="utf-8", errors="replace")


def reading(seconds: int, kwh: int) -> bytes:
    """A payload."""
    return json.dumps({"read_at": at(seconds).isoformat(), "energy_import_kwh": kwh}).encode()


async def start(service: Service, calls: Path) -> None:
    """As `Service.start`, watched."""
    with service.log_path.open("ab") as output:
        service._process = await asyncio.create_subprocess_exec(
            "strace", "-f", "-qq", "-o", calls, sys.executable, "-m", "ingest", "run",
            env=service.environment, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip


async def settled(database: Database) -> bool:
    """Whether the reading was derived from and the other message kept."""
    rows = await database.rows(
        "SELECT (SELECT count(*) FROM metering.quarantine) > 0 AND EXISTS (SELECT FROM metering.consumption_day)"
    )
    return rows[0][0]


def allowed() -> set[str]:
    """The system calls that the unit leaves, by this systemd's own groups."""
    lines = re.findall(r"^SystemCallFilter=(~?)(.*)$", UNIT, re.MULTILINE)
    left: set[str] = set()
    for sign, groups in lines:
        named = {call for group in groups.split() for call in members(group)}
        left = left - named if sign else left | named
    return left


def members(group: str) -> set[str]:
    """A group's calls, those of groups in it too."""
    shown = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager", group], capture_output=True, text=True, check=True
    ).stdout
    names = {line.strip() for line in shown.splitlines() if line.startswith(" ") and not line.strip().startswith("#")}
    return {call for name in names for call in (members(name) if name.startswith("@") else {name})}


def check(traced: str, below: Path | None = None) -> None:
    """No other system call, no memory both writable and executable, no other socket, no file opened for writing but `below`."""
    used = set(re.findall(r"^\d+ +([a-z_0-9]+)\(", traced, re.MULTILINE))
    assert {"execve", "connect", "exit_group"} <= used
    assert set() == used - allowed()
    assert not re.search(r"PROT_WRITE\|PROT_EXEC", traced)
    families = re.findall(r"^RestrictAddressFamilies=(.*)$", UNIT, re.MULTILINE)[0].split()
    assert set() == set(re.findall(r"socket\((AF_\w+)", traced)) - set(families)
    opened = re.findall(r'open(?:at)?\(.*?"([^"]+)", [^)]*O_(?:WRONLY|RDWR|CREAT)', traced)
    assert set() == {path for path in opened if path != "/dev/null" and not (below and Path(path).is_relative_to(below))}


async def test_the_service_needs_nothing_that_is_forbidden_to_it(traced: str) -> None:
    """From its start to its end, at work."""
    check(traced)


def test_the_daily_work_needs_nothing_that_is_forbidden_to_it(database: Database, tmp_path: Path) -> None:
    """Its unit has the same sandbox (`test_no_unit_is_less_protected_than_another`)."""
    if shutil.which("strace") is None:
        pytest.skip("strace not found: apt-get install strace")
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", tmp_path / "calls", sys.executable, "-m", "ingest", "storage", "--url", database.owner_url],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    check((tmp_path / "calls").read_text(encoding="utf-8", errors="replace"))


def test_the_backup_needs_nothing_that_is_forbidden_to_it(stack: Stack, database: Database, tmp_path: Path) -> None:
    """With the variables of unit and sample, places apart: it writes where its unit lets it, and is no superuser."""
    if shutil.which("strace") is None:
        pytest.skip("strace not found: apt-get install strace")
    unit = (ROOT / "deploy" / "systemd" / "meterwarden-backup.service").read_text(encoding="utf-8")
    sample = (ROOT / "deploy" / "systemd" / "backup.env").read_text(encoding="utf-8")
    given = dict(re.findall(r"^(?:Environment=)?([A-Z_]+)=(.*)$", sample, re.MULTILINE))
    given |= dict(re.findall(r"^Environment=([A-Z_]+)=(.*)$", unit, re.MULTILINE))
    assert {"PGHOST", "PGUSER", "PGSSLMODE", "KEEP_DAYS", "BACKUP_PASSWORD_FILE", "BACKUP_METRICS"} <= set(given)
    (program,) = re.findall(r"^ExecStart=/opt/meterwarden/(\S+) %S/meterwarden-backup$", unit, re.MULTILINE)
    password, state, textfiles = tmp_path / "owner.password", tmp_path / "writable" / "state", tmp_path / "writable" / "textfiles"
    for directory in (state, textfiles):
        directory.mkdir(parents=True)
    where = conninfo_to_dict(database.owner_url)
    password.write_text(str(where["password"]), encoding="utf-8")
    given |= {
        "PGHOST": str(where["host"]), "PGPORT": str(where["port"]), "PGDATABASE": database.name, "PGSSLMODE": "disable",
        "BACKUP_PASSWORD_FILE": str(password), "BACKUP_METRICS": str(textfiles),
        "PATH": f"{stack.programs.postgres_bin}:{os.environ['PATH']}",
    }  # fmt: skip
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", tmp_path / "calls", ROOT / "deploy" / program, state],
        env={key: text for key, text in given.items() if key != "PGSSLROOTCERT"}, cwd="/",
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ((dump,),) = [list(one.glob("database.dump")) for one in state.iterdir()]
    assert dump.stat().st_size > 0
    assert {"meterwarden_backup.prom", "meterwarden_backup_expected.prom", "meterwarden_backup_run.prom"} == {
        path.name for path in textfiles.iterdir()
    }
    check((tmp_path / "calls").read_text(encoding="utf-8", errors="replace"), tmp_path / "writable")
