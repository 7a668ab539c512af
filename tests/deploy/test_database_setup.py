"""The one-shot for the database's certificate: the real PostgreSQL, started as in compose.yaml, speaks TLS with it, only."""

import ssl
import subprocess
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ingest.stack import Stack
from tests.certificates import authority
from tests.deploy import composed
from tests.deploy.started import DatabaseAsComposed, database_of, database_set_up
from tests.running import eventually

NAMES = ("timescaledb", "localhost", "127.0.0.1")
USED = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """New volumes, prepared."""
    done = database_set_up(tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


def files(root: Path) -> dict[str, str]:
    """The volumes' files."""
    return {path.relative_to(root).as_posix(): path.read_text() for path in (root / "database").rglob("*") if path.is_file()}


def url(server: DatabaseAsComposed, root: Path, host: str = "timescaledb", **more: str) -> str:
    """As the services of compose.yaml connect: by its name, held against the authority."""
    given = composed.services()["migrate"]["environment"]["METERWARDEN_SUPERUSER_URL"]
    ours = given.replace("/database/ca", str(root / "database" / "ca"))
    known = {"host": host, "hostaddr": "127.0.0.1", "port": str(server.port), "password": server.password}
    return make_conninfo(ours, **known | more)


def used(conninfo: str) -> tuple[bool, str]:
    """Whether a connection is encrypted, and how."""
    with psycopg.connect(conninfo) as connection:
        found: tuple[bool, str] = connection.execute(USED).fetchall()[0]
    return found


def test_the_database_is_reached_by_its_name_over_tls_alone(stack: Stack, root: Path, tmp_path: Path) -> None:
    """By each of its names; not in the clear, not by another name, not for whoever believes another authority."""
    with database_of(stack.programs, root) as server:
        for name in NAMES:
            assert used(url(server, root, name)) == (True, "TLSv1.3")
        kind, program, *arguments = composed.services()["timescaledb"]["healthcheck"]["test"]
        assert kind == "CMD"
        subprocess.run([stack.programs.postgres_bin / program, *arguments, "-p", str(server.port)], check=True, timeout=120)
        with pytest.raises(psycopg.OperationalError, match="no encryption"):
            used(url(server, root, sslmode="disable"))
        with pytest.raises(psycopg.OperationalError, match="does not match host name"):
            used(url(server, root, "database"))
        theirs = authority(tmp_path / "theirs", "timescaledb") / "ca.crt"
        with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
            used(url(server, root, sslrootcert=str(theirs)))
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            used(url(server, root, password="wrong"))


def test_it_can_be_run_again_and_changes_nothing(root: Path) -> None:
    """Authority, certificate and key stay, or every client would have to be told."""
    before = files(root)
    done = database_set_up(root)
    assert (0, True) == (done.returncode, done.stdout.startswith("kept"))
    assert before == files(root)


async def test_a_renewed_certificate_is_taken_by_the_running_server_and_believed_by_everybody(stack: Stack, root: Path) -> None:
    """In its last days, by the same authority, at SIGHUP and without a restart."""
    with database_of(stack.programs, root) as server:
        before = files(root)
        shown = certificate(server)
        done = database_set_up(root, RENEW_SECONDS=str(826 * 86_400))
        assert done.stdout.startswith("made")
        after = files(root)
        assert {name for name in after if before[name] != after[name]} == {
            "database/authority/server.crt", "database/tls/server.crt", "database/tls/server.key",
        }  # fmt: skip
        server.take()
        await eventually(lambda: certificate(server) != shown, "shown")
        assert certificate(server) == after["database/tls/server.crt"].strip()
        assert used(url(server, root))[0]


def certificate(server: DatabaseAsComposed) -> str:
    """What the server shows, asked by openssl as the runbook says."""
    asked = ["openssl", "s_client", "-starttls", "postgres", "-connect", f"127.0.0.1:{server.port}"]
    said = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=120).stdout
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    return begin + said.partition(begin)[2].partition(end)[0] + end


def test_what_was_cut_off_is_made_again(root: Path) -> None:
    """A key without its certificate would keep the server from starting for good."""
    (root / "database/tls/made-for").unlink()
    (root / "database/tls/server.crt").unlink()
    assert database_set_up(root).stdout.startswith("made")
    ssl.create_default_context().load_cert_chain(root / "database/tls/server.crt", root / "database/tls/server.key")


def test_a_certificate_of_the_operators_own_is_left_alone(tmp_path: Path) -> None:
    """Put into the volume by hand: neither replaced nor renewed, and no authority is made."""
    (tmp_path / "database" / "tls").mkdir(parents=True)
    (tmp_path / "database" / "tls" / "server.crt").write_text("of a public authority")
    assert database_set_up(tmp_path).returncode == 0
    assert files(tmp_path) == {"database/tls/server.crt": "of a public authority"}


def test_nobody_but_the_database_reads_its_key_and_everybody_the_authority(root: Path) -> None:
    """And the authority's key is where the database is not."""
    for name in ("tls/server.key", "authority/ca.key"):
        assert (root / "database" / name).stat().st_mode & 0o077 == 0
    assert (root / "database/ca/ca.crt").stat().st_mode & 0o444 == 0o444
    assert {"ca.crt"} == {path.name for path in (root / "database" / "ca").iterdir()}
    assert {"server.crt", "server.key", "made-for"} == {path.name for path in (root / "database" / "tls").iterdir()}
    assert "Meterwarden database CA" in subprocess.run(
        ["openssl", "x509", "-noout", "-subject", "-in", root / "database/ca/ca.crt"], capture_output=True, text=True, check=True
    ).stdout  # fmt: skip


def test_an_authority_whose_key_is_kept_elsewhere_stays_the_authority(root: Path, tmp_path: Path) -> None:
    """Nothing is made while nothing is needed; a new certificate waits for the key."""
    (root / "database/authority/ca.key").rename(tmp_path / "ca.key")
    before = files(root)
    assert database_set_up(root).returncode == 0
    done = database_set_up(root, RENEW_SECONDS=str(826 * 86_400))
    assert (1, True) == (done.returncode, "bring ca.key back" in done.stderr)
    assert before == files(root)
    (tmp_path / "ca.key").rename(root / "database/authority/ca.key")
    assert database_set_up(root, RENEW_SECONDS=str(826 * 86_400)).stdout.startswith("made")


def test_a_failure_is_one(tmp_path: Path) -> None:
    """compose then does not start the database."""
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "certificates").write_text("exit 3\n")
    assert database_set_up(tmp_path).returncode != 0
    assert "database/tls/made-for" not in files(tmp_path)
