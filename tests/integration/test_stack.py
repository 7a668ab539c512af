"""The embedded stack: real servers that answer, survive what they should, and leave nothing behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest

from ingest.stack import Mosquitto, Postgres, Stack, StackError, free_port, programs
from ingest.stack.process import Process, wait_until
from ingest.stack.stack import sweep

pytestmark = pytest.mark.services

REPOSITORY = Path(__file__).parents[2]
SCHOOL = "school-1"
SCHOOL_PASSWORD = "chalk: 100 % & more"
ANSWER_SECONDS = 90.0
CLONES = 20
ALWAYS = """
groups:
  - name: always
    rules:
      - {alert: Always, expr: up == 1, labels: {institution: school-1}}
"""


class _Webhook(BaseHTTPRequestHandler):
    received: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        self.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(HTTPStatus.NO_CONTENT)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def stack(webhook: HTTPServer) -> Iterator[Stack]:
    """One stack for the whole file."""
    with Stack.create(
        users={SCHOOL: SCHOOL_PASSWORD},
        rules=ALWAYS,
        evaluation_interval="1s",
        scrape_interval="1s",
        webhook_port=webhook.server_port,
    ) as running:
        yield running


@pytest.fixture(scope="module")
def webhook() -> Iterator[HTTPServer]:
    """A receiver that keeps the bodies posted to it, in order."""
    with HTTPServer(("127.0.0.1", free_port()), _Webhook) as server:
        _Webhook.received.clear()
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that the servers' user can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="meterwarden-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_the_database_offers_a_recent_enough_timescaledb(stack: Stack) -> None:
    """TimescaleDB 2.19 or later can be created, over a URL with the generated password."""
    with psycopg.connect(stack.postgres.url()) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    assert row is not None
    assert tuple(map(int, row[0].split(".")[:2])) >= (2, 19)


def test_the_database_refuses_a_wrong_password(stack: Stack) -> None:
    """Nobody on this machine reaches the database without its password."""
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(stack.postgres.url(password="wrong"))


def test_the_database_is_as_durable_as_in_production_and_knows_local_calendars(stack: Stack) -> None:
    """fsync and synchronous_commit are on, and the list of time zones is whole."""
    with psycopg.connect(stack.postgres.url()) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert connection.execute(f"SHOW {setting}").fetchone() == ("on",)
        zones = connection.execute("SELECT count(*) FROM pg_timezone_names WHERE name = 'Asia/Shanghai'").fetchone()
    assert zones == (1,)


def test_a_database_with_timescaledb_can_be_cloned_again_and_again(stack: Stack) -> None:
    """No background worker holds the template: each of 20 clones in a row succeeds at once."""
    with psycopg.connect(stack.postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE mould")
        with psycopg.connect(stack.postgres.url("mould")) as mould:
            mould.execute("CREATE EXTENSION timescaledb")
        for number in range(CLONES):
            connection.execute(f"CREATE DATABASE clone_{number} TEMPLATE mould")
            connection.execute(f"DROP DATABASE clone_{number}")


def test_a_killed_database_comes_back_with_what_was_committed(stack: Stack) -> None:
    """kill() ends every process of the cluster, and the next start recovers the committed rows."""
    with psycopg.connect(stack.postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        stack.postgres.kill()
    assert _processes_below(stack.postgres.data_directory) == []
    stack.postgres.start()
    with psycopg.connect(stack.postgres.url()) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_server_outlives_the_thread_that_restarted_it(stack: Stack) -> None:
    """The kernel ties a child to the thread that started it; ours is one that lasts as long as the process."""
    thread = threading.Thread(target=stack.postgres.restart)
    thread.start()
    thread.join()
    with psycopg.connect(stack.postgres.url()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_the_broker_knows_its_users_by_their_passwords(stack: Stack) -> None:
    """The right password is let in, a wrong one and none are not."""
    right = stack.mosquitto.password("ingest")
    assert _publish(stack, "ingest", right, "meterwarden/x").returncode == 0
    assert _publish(stack, "ingest", "wrong", "meterwarden/x").returncode != 0
    assert _publish(stack, None, None, "meterwarden/x").returncode != 0
    assert stack.password_file("ingest").read_text() == right
    assert stack.password_file("ingest").stat().st_mode & 0o777 == 0o600


def test_a_gateway_publishes_below_its_own_institution_only_and_a_restart_keeps_the_queue(stack: Stack) -> None:
    """What school-1 sends as another institution is dropped; what it sends as itself waits through a restart."""
    _subscribe(stack, "-E")
    _publish(stack, SCHOOL, SCHOOL_PASSWORD, "metering/school-2/forged")
    assert _publish(stack, SCHOOL, SCHOOL_PASSWORD, f"metering/{SCHOOL}/genuine").returncode == 0
    stack.mosquitto.restart()
    received = _subscribe(stack, "-C", "1", "-W", "60", "-F", "%t")
    assert received.stdout.split() == [f"metering/{SCHOOL}/genuine"]


def test_a_broker_that_only_listens_is_not_ready(stack: Stack) -> None:
    """The kernel takes connections for one that cannot take a signal yet."""
    broker = stack.mosquitto
    assert broker.process is not None
    broker.process.send(signal.SIGSTOP)
    try:
        assert not broker.ready()
    finally:
        broker.process.send(signal.SIGCONT)
    assert wait_until(broker.ready, ANSWER_SECONDS)


def test_prometheus_scrapes_a_target_and_its_alert_reaches_the_webhook_by_institution(stack: Stack) -> None:
    """A job written while Prometheus runs is scraped, the rule over it fires, and Alertmanager groups and delivers it."""
    assert stack.prometheus is not None
    prometheus = stack.prometheus
    prometheus.scrape("itself", prometheus.port)
    assert wait_until(lambda: any(alert["state"] == "firing" for alert in prometheus.alerts()), ANSWER_SECONDS)
    assert wait_until(lambda: bool(_Webhook.received), ANSWER_SECONDS)
    assert _Webhook.received[0]["groupLabels"] == {"institution": "school-1"}
    assert prometheus.query("up")[0]["metric"]["job"] == "itself"
    with pytest.raises(StackError, match="parse error"):
        prometheus.query("1 +")


def test_a_server_that_cannot_start_shows_its_last_lines(open_directory: Path) -> None:
    """The error names the log and holds what the server complained about."""
    broker = Mosquitto.create(programs(print), open_directory / "broker", extra="no_such_setting 1")
    with pytest.raises(StackError, match=r"mosquitto ended while starting; the end of .*\n(.*\n)*.*no_such_setting"):
        broker.start()


def test_a_password_is_safe_inside_a_url(open_directory: Path) -> None:
    """Passwords and names are percent-encoded; another user's password is never guessed."""
    server = Postgres(programs(print), open_directory, 5432, "p@ss/word", linger=False)
    assert server.url() == "postgresql://postgres:p%40ss%2Fword@127.0.0.1:5432/postgres"
    assert server.url("m", "reader") == "postgresql://reader@127.0.0.1:5432/m"


def test_killing_the_parent_ends_its_servers_and_the_next_stack_sweeps_up() -> None:
    """However a process ends, its servers end with it; their files go when the next stack is made."""
    script = "import sys; from ingest.stack import Stack; print(Stack.create().up().directory, flush=True); sys.stdin.read()"
    parent = subprocess.Popen(
        [sys.executable, "-c", script], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        run = Path(parent.stdout.readline().strip())
        assert len(_processes_below(run)) > 4
        parent.kill()
    assert wait_until(lambda: not _processes_below(run), ANSWER_SECONDS)
    sweep()
    assert not run.exists()


def test_a_lingering_stack_is_found_used_and_ended_by_other_processes(open_directory: Path) -> None:
    """`up` twice gives one stack, `env` reaches it, `down` leaves neither process nor file."""
    first, second = (_stack_command(open_directory, "stack_env(stack_up(print))") for _ in range(2))
    environment = dict(line.removeprefix("export ").split("=", 1) for line in first.splitlines() if "export" in line)
    assert "already up" in second
    with psycopg.connect(environment["METERWARDEN_SUPERUSER_URL"]) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    run = Path(environment["METERWARDEN_BROKER__PASSWORD_FILE"]).parents[1]
    scraped = json.loads((run / "prometheus" / "targets" / "meterwarden.json").read_text())
    assert scraped[0]["targets"] == [f"127.0.0.1:{environment['METERWARDEN_HTTP__PORT']}"]
    assert "True" in _stack_command(open_directory, "stack_down(print)")
    assert not run.exists()
    assert _processes_below(run) == []
    assert "False" in _stack_command(open_directory, "stack_down(print)")


def test_a_stale_state_ends_nobody_else(open_directory: Path) -> None:
    """A process that has a server's former pid, but not its start time, is left alone."""
    with subprocess.Popen(["sleep", "infinity"]) as bystander:
        now = Process.of(bystander.pid)
        earlier = {"name": "postgres", "pid": now.pid, "start_ticks": now.start_ticks - 1, "stop_signal": 9}
        addresses = dict.fromkeys(
            ("superuser_url", "ingest_password_file", "simulator_password_file", "prometheus_url", "alertmanager_url"), ""
        )
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        state = {"boot_id": boot_id, "directory": "/nowhere", "servers": [earlier], "broker_port": 1, **addresses}
        (open_directory / "stack.json").write_text(json.dumps(state))
        assert "True" in _stack_command(open_directory, "stack_down(print)")
        assert bystander.poll() is None
        bystander.kill()


def test_the_stack_runs_from_a_checkout_closed_to_others(tmp_path: Path) -> None:
    """The servers' user needs nothing from the checkout, which may lie in a 0700 directory."""
    shutil.copytree(REPOSITORY / "ingest" / "stack", tmp_path / "ingest" / "stack")
    (tmp_path / "ingest" / "__init__.py").touch()
    tmp_path.chmod(0o700)
    script = "from ingest.stack import Stack\nwith Stack.create() as s: print('up', s.postgres.programs.root)"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("up")
    assert not done.stdout.startswith(f"up {tmp_path}")


def test_a_machine_without_apt_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, open_directory: Path) -> None:
    """The error names the missing tools and the settings for servers of one's own."""
    monkeypatch.setenv("METERWARDEN_STACK_CACHE", str(open_directory))
    monkeypatch.setenv("PATH", str(open_directory))
    with pytest.raises(StackError, match=r"apt-get, .* not found: .* METERWARDEN_SUPERUSER_URL"):
        programs(print)


def test_a_failed_download_says_so_and_leaves_no_half_built_cache(monkeypatch: pytest.MonkeyPatch, open_directory: Path) -> None:
    """Without a mirror the error says what to set, and nothing that looks like a cache stays."""
    monkeypatch.setenv("METERWARDEN_STACK_CACHE", str(open_directory))
    monkeypatch.setenv("DEBIAN_MIRROR", f"file://{open_directory}/no-mirror")
    with pytest.raises(StackError, match=r"apt-get .* failed:\n(.*\n)*.*set DEBIAN_MIRROR"):
        programs(print)
    assert [path.suffix for path in open_directory.iterdir()] == [".lock"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts servers as another user")
def test_a_cache_the_servers_cannot_reach_is_named(monkeypatch: pytest.MonkeyPatch, open_directory: Path) -> None:
    """A directory closed to the servers' user is an error now, not a riddle when the first server starts."""
    open_directory.chmod(0o700)
    monkeypatch.setenv("METERWARDEN_STACK_CACHE", str(open_directory))
    with pytest.raises(StackError, match=r"is closed to the user nobody, .* set METERWARDEN_STACK_CACHE"):
        programs(print)


def test_a_directory_with_files_is_not_taken_for_a_run_directory(open_directory: Path) -> None:
    """`down` removes the run directory, so it must have been empty."""
    (open_directory / "precious").touch()
    with pytest.raises(StackError, match="is not empty"):
        Stack.create(open_directory)
    assert (open_directory / "precious").exists()


def _publish(stack: Stack, user: str | None, password: str | None, topic: str) -> subprocess.CompletedProcess[str]:
    login = ["-u", user, "-P", password] if user and password else []
    program = stack.programs.mosquitto_pub
    command = [str(program), "-h", "127.0.0.1", "-p", str(stack.mosquitto.port), *login, "-q", "1", "-t", topic, "-m", "1"]
    return subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False)


def _subscribe(stack: Stack, *options: str) -> subprocess.CompletedProcess[str]:
    login = ["-u", "simulator", "-P", stack.mosquitto.password("simulator")]
    address = ["-h", "127.0.0.1", "-p", str(stack.mosquitto.port)]
    command = [
        str(stack.programs.mosquitto_sub),
        *address,
        *login,
        "-i",
        "watcher",
        "-c",
        "-q",
        "1",
        "-t",
        "metering/#",
        *options,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=True)


def _stack_command(state_directory: Path, expression: str) -> str:
    script = f"from ingest.stack import *\nprint({expression})"
    environment = {**os.environ, "METERWARDEN_STACK_STATE": str(state_directory)}
    return subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True
    ).stdout


def _processes_below(directory: Path) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            where = os.readlink(entry / "cwd")
        except OSError:
            continue
        if Path(where.removesuffix(" (deleted)")).is_relative_to(directory):
            found.append(int(entry.name))
    return found
