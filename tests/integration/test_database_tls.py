"""The service and the database over TLS, with certificates as an operator makes them: who is believed and let in, what is said."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr, ValidationError

from ingest.certificates import expiries, watch_certificates
from ingest.errors import Unavailable
from ingest.metrics import Metrics
from ingest.settings import DatabaseSettings, Settings
from ingest.stack import Postgres, Stack, places
from ingest.storage import certificates as of_database
from ingest.storage.bootstrap import prepare
from ingest.storage.connection import connect
from tests.certificates import authority, certificates, expired
from tests.databases import Database
from tests.faults.servers import NAME, database_on
from tests.published import expected, institution_code, publish, readings, stored, topic
from tests.registries import import_files, institution, meter, write_files
from tests.running import eventually, own_directory, running_service

WRITER = "meterwarden_writer"
USES_TLS = "SELECT ssl, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority with a server's certificate for 127.0.0.1 and one of yesterday, the writer's, and somebody else's."""
    directory = authority(tmp_path_factory.mktemp("ours"), "127.0.0.1")
    for name in (WRITER, "somebody"):
        certificates("client", directory, name)
    expired(directory, "server")
    expired(directory, WRITER)
    return directory


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority that has nothing to do with ours, and a certificate for the writer that it signed."""
    directory = authority(tmp_path_factory.mktemp("theirs"), "127.0.0.1")
    certificates("client", directory, WRITER)
    return directory


@dataclass(frozen=True, slots=True)
class Secured:
    """A server that takes nothing but TLS from the writer, and its migrated database."""

    server: Postgres
    database: Database
    passwords: Path

    def show(self, directory: Path, certificate: str = "server.crt") -> None:
        """Show this certificate from now on; new connections see it once the server has read its files again."""
        files = self.server.data_directory
        places.write(files / "server.key", (directory / "server.key").read_text(), 0o600)
        places.write(files / "server.crt", (directory / certificate).read_text())

    async def reload(self) -> None:
        """Have the server read its settings and certificates again."""
        await self.database.run("SELECT pg_reload_conf()")

    def require_certificates(self, *, required: bool) -> None:
        """Whether the writer must show a certificate of its name, and needs no password then."""
        method = "cert" if required else "scram-sha-256"
        places.write(
            self.server.data_directory / "pg_hba.conf",
            f"host all postgres all scram-sha-256\nhostssl all {WRITER} all {method}\nhostssl all all all scram-sha-256\n",
            0o600,
        )

    def settings(self, authority: Path | None, shown: Path | None = None, **more: Any) -> DatabaseSettings:
        """The writer's, who believes this authority and shows this certificate."""
        url = make_conninfo(self.database.writer_url, **more)
        if shown is None:
            return DatabaseSettings(url=SecretStr(url), tls_ca_file=authority)
        return DatabaseSettings(
            url=SecretStr(url),
            tls_ca_file=authority,
            tls_certificate_file=shown,
            tls_key_file=shown.with_name(f"{shown.stem.removesuffix('-expired')}.key"),
        )


@pytest.fixture(scope="module")
def secured(stack: Stack, ours: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A server of the module's own."""
    with own_directory() as directory:
        server, passwords = Postgres.create(stack.programs, directory / "postgres"), tmp_path_factory.mktemp("database")
        try:
            server.start()
            asyncio.run(prepare(server.url(), NAME, passwords / "passwords"))
            one = Secured(server, database_on(server, passwords), passwords / "passwords")
            one.show(ours)
            places.write(server.data_directory / "ca.crt", (ours / "ca.crt").read_text())
            with (server.data_directory / "postgresql.conf").open("a") as settings:
                settings.write("ssl = on\nssl_ca_file = 'ca.crt'\n")
            one.require_certificates(required=False)
            server.restart()
            yield one
        finally:
            server.stop("immediate")


@asynccontextmanager
async def asking_for_certificates(secured: Secured) -> AsyncIterator[None]:
    """The server takes no password from the writer meanwhile."""
    secured.require_certificates(required=True)
    await secured.reload()
    try:
        yield
    finally:
        secured.require_certificates(required=False)
        await secured.reload()


async def refusal(settings: DatabaseSettings) -> str:
    """Why there is no connection."""
    with pytest.raises(Unavailable) as refused:
        await connect(settings)
    return str(refused.value)


async def test_readings_are_stored_over_tls(secured: Secured, ours: Path, stack: Stack, tmp_path: Path) -> None:
    """Every connection of the service is made by the same settings; a server that takes nothing else is the proof."""
    code = institution_code()
    secure = secured.settings(ours / "ca.crt")
    await import_files(secured.database, write_files(tmp_path / "registry", [institution(code)], [meter(of=code)]))
    settings = {"database__tls_ca_file": ours / "ca.crt", "settlement__enabled": True}
    async with running_service(secured.database, stack.mosquitto, tmp_path, **settings) as service:
        await publish(stack.mosquitto, topic(code), readings(range(5)))
        await service.counted(stored=5)
    assert expected(range(5)) == await stored(secured.database)
    async with await connect(secure) as connection:
        assert [(True, None)] == await (await connection.execute(USES_TLS)).fetchall()


async def test_with_mutual_tls_the_certificate_is_the_user_and_no_password_is_needed(secured: Secured, ours: Path) -> None:
    """The common name must be the role's; a password that is wrong is not even looked at."""
    async with asking_for_certificates(secured):
        shown = secured.settings(ours / "ca.crt", ours / f"{WRITER}.crt", password="wrong")
        async with await connect(shown) as connection:
            assert [(True, f"/CN={WRITER}")] == await (await connection.execute(USES_TLS)).fetchall()


async def test_a_key_may_stand_in_the_file_of_its_certificate(secured: Secured, ours: Path, tmp_path: Path) -> None:
    """As towards the broker."""
    both = tmp_path / "both.pem"
    both.touch(mode=0o600)
    both.write_text((ours / f"{WRITER}.crt").read_text() + (ours / f"{WRITER}.key").read_text())
    async with asking_for_certificates(secured):
        settings = secured.settings(ours / "ca.crt").model_copy(update={"tls_certificate_file": both})
        await (await connect(settings)).close()


@pytest.mark.parametrize(
    ("shown", "advice"),
    [
        (None, "set METERWARDEN_DATABASE__TLS_CERTIFICATE_FILE and METERWARDEN_DATABASE__TLS_KEY_FILE"),
        ("ours/somebody.crt", "its common name must be the user's name"),
        (f"ours/{WRITER}-expired.crt", "renew METERWARDEN_DATABASE__TLS_CERTIFICATE_FILE"),
        (f"theirs/{WRITER}.crt", "the server does not know the authority of METERWARDEN_DATABASE__TLS_CERTIFICATE_FILE"),
    ],
)
async def test_mutual_tls_refuses_whoever_shows_no_certificate_or_a_wrong_one_and_says_what_to_do(
    secured: Secured, ours: Path, theirs: Path, shown: str | None, advice: str
) -> None:
    """A password alone opens nothing."""
    async with asking_for_certificates(secured):
        file = shown and {"ours": ours, "theirs": theirs}[shown.split("/")[0]] / shown.split("/")[1]
        assert advice in await refusal(secured.settings(ours / "ca.crt", file or None))


async def test_a_server_of_another_authority_is_refused_and_the_log_says_what_to_do(
    secured: Secured, theirs: Path, stack: Stack, tmp_path: Path
) -> None:
    """The service waits, as for any server that is not there, and names the setting; nothing is sent to it."""
    settings = {"database__tls_ca_file": theirs / "ca.crt"}
    async with running_service(secured.database, stack.mosquitto, tmp_path, until_ready=False, **settings) as service:
        waiting = await eventually(lambda: service.log_lines("waiting for the database"))
        assert "METERWARDEN_DATABASE__TLS_CA_FILE is not the authority that signed the server's certificate" in waiting[0]["reason"]
        assert not (await service.unready())["database"]


async def test_a_certificate_for_another_name_is_refused_and_says_what_to_do(secured: Secured, ours: Path) -> None:
    """Signed by the right authority, but not for the host we were told to connect to."""
    said = await refusal(secured.settings(ours / "ca.crt", host="localhost"))
    assert "the host in METERWARDEN_DATABASE__URL is none of the names in the server's certificate" in said


async def test_an_expired_certificate_is_refused_and_says_what_to_do(secured: Secured, ours: Path) -> None:
    """libpq says of it only that it cannot be verified."""
    secured.show(ours, "server-expired.crt")
    await secured.reload()
    try:
        said = await refusal(secured.settings(ours / "ca.crt"))
        assert "certificate has expired; renew the server's certificate" in said
    finally:
        secured.show(ours)
        await secured.reload()


async def test_a_server_without_tls_is_refused_and_says_what_to_do(database: Database, ours: Path) -> None:
    """Nothing is ever sent in the clear, whatever the URL allows."""
    url = make_conninfo(database.writer_url, sslmode="prefer")
    said = await refusal(DatabaseSettings(url=SecretStr(url), tls_ca_file=ours / "ca.crt"))
    assert "switch TLS on at the server" in said


async def test_a_server_that_wants_tls_and_is_asked_in_the_clear_says_which_setting_to_make(secured: Secured) -> None:
    """The commonest slip."""
    said = await refusal(secured.settings(None, sslmode="disable"))
    assert "the server takes no connection in the clear: set METERWARDEN_DATABASE__TLS_CA_FILE" in said


@pytest.mark.parametrize("there", [False, True])
async def test_a_file_that_cannot_be_used_is_named_with_its_setting(
    secured: Secured, ours: Path, tmp_path: Path, there: bool
) -> None:
    """Missing, or no certificate at all."""
    nothing = tmp_path / "nothing.crt"
    if there:
        nothing.write_text("not a certificate")
        nothing.chmod(0o600)
    own = secured.settings(ours / "ca.crt", ours / f"{WRITER}.crt")
    for name in ("tls_ca_file", "tls_certificate_file", "tls_key_file"):
        assert f"METERWARDEN_DATABASE__{name.upper()}" in await refusal(own.model_copy(update={name: nothing}))


async def test_a_key_that_others_can_read_is_refused(secured: Secured, ours: Path, tmp_path: Path) -> None:
    """libpq's own rule."""
    key = tmp_path / "open.key"
    key.write_text((ours / f"{WRITER}.key").read_text())
    key.chmod(0o644)
    own = secured.settings(ours / "ca.crt", ours / f"{WRITER}.crt")
    assert "chmod 600" in await refusal(own.model_copy(update={"tls_key_file": key}))


@pytest.mark.parametrize("alone", ["tls_certificate_file", "tls_key_file"])
def test_a_certificate_without_an_authority_is_no_setting(alone: str) -> None:
    """It might connect in the clear, which nobody who names a certificate means."""
    with pytest.raises(ValidationError, match="need tls_ca_file"):
        DatabaseSettings.model_validate({alone: "ours.crt"})


async def test_the_expiry_of_its_certificates_is_shown_and_follows_a_renewal(secured: Secured, ours: Path) -> None:
    """The server's own as it is shown, also once it has expired; ours and the authority's by their files."""
    database = secured.settings(ours / "ca.crt", ours / f"{WRITER}.crt")
    metrics = Metrics(CollectorRegistry())

    def shown(purpose: str) -> float | None:
        return metrics.registry.get_sample_value("meterwarden_certificate_expiry_timestamp_seconds", {"purpose": purpose})

    def file(name: str) -> float:
        (only,) = expiries((ours / name).read_text())
        return only.timestamp()

    settings = Settings(database=database)
    watching = asyncio.create_task(watch_certificates(settings, metrics, every_seconds=0.02))
    try:
        await eventually(lambda: shown("database_server") == file("server.crt"))
        assert (file("ca.crt"), file(f"{WRITER}.crt")) == (shown("database_ca"), shown("database_client"))
        assert shown("broker_ca") is None
        secured.show(ours, "server-expired.crt")
        await secured.reload()
        await eventually(lambda: shown("database_server") == file("server-expired.crt"))
    finally:
        watching.cancel()
        secured.show(ours)
        await secured.reload()


async def test_of_a_server_that_is_not_ours_nothing_is_believed(secured: Secured, theirs: Path) -> None:
    """Its certificate may say what it likes."""
    with pytest.raises(ssl.SSLCertVerificationError):
        await of_database.shown(secured.settings(theirs / "ca.crt"))
    with pytest.raises(ssl.SSLCertVerificationError):
        await of_database.shown(secured.settings(theirs / "ca.crt", host="localhost"))


async def test_bootstrap_over_tls_prints_settings_that_ask_for_it(secured: Secured, ours: Path) -> None:
    """As the superuser's URL did; else the next connection would take any server for ours."""
    superuser = f"{secured.database.superuser_url}?sslmode=verify-full&sslrootcert={ours / 'ca.crt'}"
    prepared = await prepare(superuser, "another", secured.passwords)
    settings = DatabaseSettings(
        url=SecretStr(prepared.environment["METERWARDEN_DATABASE__URL"]), password_file=prepared.password_files[WRITER]
    )
    assert of_database.are_verified(settings)
    async with await connect(settings) as connection:
        assert [(True, None)] == await (await connection.execute(USES_TLS)).fetchall()
