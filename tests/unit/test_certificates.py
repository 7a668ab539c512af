"""When a certificate expires, read from its bytes; OpenSSL's own program is the judge."""

import ssl
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from ingest.certificates import expiries, expiry, looks
from ingest.settings import BrokerSettings, DatabaseSettings, Settings
from tests.certificates import authority, expired


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority of ten years with a server's certificate of 825 days, and the same one expired."""
    made = authority(tmp_path_factory.mktemp("authority"), "localhost")
    expired(made, "server")
    return made


def judged(path: Path) -> datetime:
    """What OpenSSL says of it."""
    said = subprocess.run(["openssl", "x509", "-in", path, "-noout", "-enddate"], capture_output=True, text=True, check=True)
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(said.stdout.strip().partition("=")[2]), UTC)


@pytest.mark.parametrize("name", ["ca.crt", "server.crt", "server-expired.crt"])
def test_it_expires_when_openssl_says_so(directory: Path, name: str) -> None:
    """Short and long, of the future and of the past."""
    assert [judged(directory / name)] == list(expiries((directory / name).read_text()))


def test_every_certificate_of_a_file_is_read(directory: Path) -> None:
    """In their order, whatever stands between them."""
    names = ("server.crt", "ca.crt")
    text = "".join(f"# {name}\n{(directory / name).read_text()}\n" for name in names)
    assert [judged(directory / name) for name in names] == list(expiries(text))
    assert [] == list(expiries("nothing here"))


def test_a_year_from_2050_on_is_written_in_full(directory: Path) -> None:
    """The other of the two forms of time."""
    der = ssl.PEM_cert_to_DER_cert((directory / "ca.crt").read_text())
    command = ["openssl", "req", "-x509", "-key", "ca.key", "-subj", "/CN=late", "-days", "20000", "-outform", "DER"]
    late = subprocess.run(command, cwd=directory, capture_output=True, check=True).stdout
    assert expiry(late) > datetime(2050, 1, 1, tzinfo=UTC) > expiry(der)


@given(st.data())
def test_what_is_no_certificate_is_said_to_be_none(directory: Path, data: st.DataObject) -> None:
    """Cut off anywhere, or any bytes at all: ValueError, nothing else."""
    der = ssl.PEM_cert_to_DER_cert((directory / "ca.crt").read_text())
    given = data.draw(st.one_of(st.binary(max_size=200), st.integers(0, len(der) - 1).map(lambda end: der[:end])))
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the words
        expiry(given)


def test_without_tls_there_is_nothing_to_look_at() -> None:
    """An unencrypted connection, or one that believes any certificate, breaks with no date."""
    url = SecretStr("postgresql://w@db/meterwarden?sslmode=require&sslrootcert=ca.crt")
    assert {} == looks(Settings(broker=BrokerSettings(), database=DatabaseSettings(url=url)))


def test_the_url_of_the_database_may_name_the_files() -> None:
    """Whoever set TLS up there is warned as well."""
    url = SecretStr("postgresql://w@db/meterwarden?sslmode=verify-ca&sslrootcert=ca.crt&sslcert=ours.crt")
    assert {"database_ca", "database_client", "database_server"} == set(looks(Settings(database=DatabaseSettings(url=url))))


async def test_of_several_authorities_the_last_counts_and_of_a_chain_of_ours_the_first(directory: Path, tmp_path: Path) -> None:
    """One authority that holds is enough; of a chain all must hold."""
    both = tmp_path / "both.pem"
    names = ("server.crt", "ca.crt", "server-expired.crt")
    both.write_text("".join((directory / name).read_text() for name in names))
    broker = BrokerSettings(tls_ca_file=both, tls_certificate_file=both)
    found = looks(Settings(broker=broker))
    assert judged(directory / "ca.crt") == await found["broker_ca"]()
    assert judged(directory / "server-expired.crt") == await found["broker_client"]()
