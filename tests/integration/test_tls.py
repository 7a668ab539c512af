"""The service and the broker over TLS, with certificates as an operator makes them: who is let in, who is not, and what is said."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ingest.certificates import expiries
from ingest.settings import BrokerSettings
from ingest.stack import Mosquitto, Stack, Tls, free_port
from ingest.tls import tls_context
from tests.certificates import authority, certificates, expired
from tests.databases import Database
from tests.published import client, expected, institution_code, publish, readings, stored, topic
from tests.running import Service, eventually, own_broker, running_service


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority with a broker's certificate for this machine, the service's, and another institution's."""
    directory = authority(tmp_path_factory.mktemp("ours"), "localhost", "127.0.0.1")
    certificates("client", directory, "ingest")
    return directory


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority that has nothing to do with ours, and a certificate for `ingest` that it signed."""
    directory = authority(tmp_path_factory.mktemp("theirs"), "mqtt.example.org")
    certificates("client", directory, "ingest")
    return directory


@pytest.fixture(scope="module")
def broker(stack: Stack, ours: Path) -> Iterator[Mosquitto]:
    """A broker with TLS, without client certificates."""
    with own_broker(stack.programs, tls=Tls(ours)) as running:
        running.start()
        yield running


@pytest.fixture(scope="module")
def mutual(stack: Stack, ours: Path) -> Iterator[Mosquitto]:
    """A broker that asks for certificates and takes their names for users."""
    with own_broker(stack.programs, tls=Tls(ours, mutual=True)) as running:
        running.start()
        yield running


@asynccontextmanager
async def refused(database: Database, broker: Mosquitto, directory: Path, **settings: Any) -> AsyncIterator[Service]:
    """The service, as soon as it has said that it is not connected."""
    over_tls = {"broker_port": broker.tls_port, **settings}
    async with running_service(database, broker, directory, until_ready=False, **over_tls) as service:
        await eventually(lambda: service.log_lines("no connection to the broker"))
        yield service


def reasons(service: Service) -> str:
    """Why it has no connection, in its own words."""
    return "\n".join(line["reason"] for line in service.log_lines("no connection to the broker"))


async def test_readings_arrive_and_quota_states_leave_over_tls(
    broker: Mosquitto, database: Database, tmp_path: Path, code: str, ours: Path
) -> None:
    """Session, announcer and watch of the broker's counts use the same settings; the broker is recognised by its authority."""
    settings = {"settlement__enabled": True, "settlement__round_seconds": 0.1, "broker__tls_ca_file": ours / "ca.crt"}
    async with running_service(database, broker, tmp_path, broker_port=broker.tls_port, **settings) as service:
        await publish(broker, topic(code), readings(range(0, 3600, 600)))
        await service.counted(stored=6, acknowledged=6)
        await eventually(lambda: has_published(service), "quota states sent")
        assert [] == service.log_lines("quota states wait for the broker")
        await eventually(lambda: knows_clients(service, broker), "the broker's own counts")
    assert expected(range(0, 3600, 600)) == await stored(database)


async def knows_clients(service: Service, broker: Mosquitto) -> bool:
    return await service.metric(f'broker_clients{{broker="127.0.0.1:{broker.tls_port}"}}') > 0


async def has_published(service: Service) -> bool:
    return await service.metric("quota_states_published_total") >= 2


async def test_a_meter_publishes_over_tls(broker: Mosquitto, ours: Path) -> None:
    """Also by a client nobody here wrote."""
    context = tls_context(BrokerSettings(tls_ca_file=ours / "ca.crt"))
    async with client(broker, port=broker.tls_port, tls_context=context) as publisher:
        await publisher.publish(topic(institution_code()), b"1", qos=1)


async def test_a_broker_of_another_authority_is_refused_and_the_log_says_what_to_do(
    broker: Mosquitto, database: Database, tmp_path: Path, theirs: Path
) -> None:
    """Whoever cannot prove to be our broker gets neither password nor acknowledgement, from no part of the service."""
    settings = {"settlement__enabled": True, "broker__tls_ca_file": theirs / "ca.crt"}
    async with refused(database, broker, tmp_path, **settings) as service:
        assert "METERWARDEN_BROKER__TLS_CA_FILE is not the authority that signed the broker's certificate" in reasons(service)
        waiting = await eventually(lambda: service.log_lines("quota states wait for the broker"))
        assert "name the one that did" in waiting[0]["reason"]
        assert not (await service.unready())["broker"]


async def test_a_certificate_for_another_name_is_refused_and_the_log_says_what_to_do(
    stack: Stack, database: Database, tmp_path: Path, theirs: Path
) -> None:
    """Signed by the right authority, but not for the host we were told to connect to."""
    with own_broker(stack.programs, tls=Tls(theirs)) as elsewhere:
        elsewhere.start()
        async with refused(database, elsewhere, tmp_path, broker__tls_ca_file=theirs / "ca.crt") as service:
            assert "METERWARDEN_BROKER__HOST is none of the names in the broker's certificate" in reasons(service)
            assert not (await service.unready())["broker"]


async def test_with_mutual_tls_the_certificate_is_the_user_and_no_password_is_needed(
    mutual: Mosquitto, database: Database, tmp_path: Path, code: str, ours: Path
) -> None:
    """The common name `ingest` has the rights of the user `ingest`; a wrong password is not even looked at."""
    async with running_service(database, mutual, tmp_path, broker_port=mutual.tls_port, **shown(ours)) as service:
        Path(service.environment["METERWARDEN_BROKER__PASSWORD_FILE"]).write_text("wrong")
        await publish(mutual, topic(code), readings(range(5)))
        await service.counted(stored=5)
        await asyncio.to_thread(mutual.restart)
        await eventually(lambda: has_reconnected(service))
        await service.ready()
    assert expected(range(5)) == await stored(database)


async def has_reconnected(service: Service) -> bool:
    return await service.metric("broker_reconnects_total") >= 1


def shown(directory: Path, authority: Path | None = None) -> dict[str, Path]:
    """Settings that show the certificate of `ingest` to the broker."""
    return {
        "broker__tls_ca_file": (authority or directory) / "ca.crt",
        "broker__tls_certificate_file": directory / "ingest.crt",
        "broker__tls_key_file": directory / "ingest.key",
    }


async def test_mutual_tls_refuses_whoever_shows_no_certificate_and_the_log_says_what_to_do(
    mutual: Mosquitto, database: Database, tmp_path: Path, ours: Path
) -> None:
    """A password alone opens nothing."""
    async with refused(database, mutual, tmp_path, broker__tls_ca_file=ours / "ca.crt") as service:
        assert re.search("set METERWARDEN_BROKER__TLS_CERTIFICATE_FILE and|TLS_CERTIFICATE_FILE is missing", reasons(service))


async def test_mutual_tls_refuses_a_certificate_of_another_authority_and_the_log_says_what_to_do(
    mutual: Mosquitto, database: Database, tmp_path: Path, ours: Path, theirs: Path
) -> None:
    """It may say `ingest` in it as often as it likes."""
    async with refused(database, mutual, tmp_path, **shown(theirs, authority=ours)) as service:
        assert re.search("the authority of METERWARDEN_BROKER__TLS_CERTIFICATE_FILE|is missing or refused", reasons(service))


async def test_tls_towards_a_port_without_tls_is_no_connection(
    database: Database, stack: Stack, tmp_path: Path, ours: Path
) -> None:
    """The commonest slip, the right settings and the wrong port: nothing is ever sent in the clear."""
    settings = {"broker_port": stack.mosquitto.port, "broker__tls_ca_file": ours / "ca.crt"}
    async with refused(database, stack.mosquitto, tmp_path, **settings) as service:
        assert not (await service.unready())["broker"]


async def test_an_expired_certificate_is_refused_and_the_log_says_what_to_do(
    stack: Stack, database: Database, tmp_path: Path
) -> None:
    """And /metrics shows when it did, though nothing is connected: the alert says why."""
    directory = authority(tmp_path / "authority", "127.0.0.1")
    (ended,) = expiries(expired(directory, "server").read_text())
    (directory / "server-expired.crt").replace(directory / "server.crt")
    with own_broker(stack.programs, tls=Tls(directory)) as elsewhere:
        elsewhere.start()
        async with refused(database, elsewhere, tmp_path, broker__tls_ca_file=directory / "ca.crt") as service:
            assert "renew the broker's certificate, or that of its authority" in reasons(service)
            await eventually(lambda: says(service, "broker_server", ended))


async def says(service: Service, purpose: str, expires: datetime) -> bool:
    """Whether /metrics shows this expiry."""
    return await service.metric(f'certificate_expiry_timestamp_seconds{{purpose="{purpose}"}}') == expires.timestamp()


async def test_the_expiry_of_every_certificate_towards_the_broker_is_shown(
    mutual: Mosquitto, database: Database, tmp_path: Path, ours: Path
) -> None:
    """The authority's and ours by their files, the broker's own as it shows it."""
    async with running_service(database, mutual, tmp_path, broker_port=mutual.tls_port, **shown(ours)) as service:
        for purpose, name in (("broker_ca", "ca"), ("broker_client", "ingest"), ("broker_server", "server")):
            (expires,) = expiries((ours / f"{name}.crt").read_text())
            await eventually(lambda purpose=purpose, expires=expires: says(service, purpose, expires))
        assert [] == service.log_lines("certificate not seen")


@pytest.mark.parametrize("name", ["tls_ca_file", "tls_certificate_file"])
def test_a_file_that_cannot_be_used_is_named_with_its_setting(tmp_path: Path, ours: Path, name: str) -> None:
    """Missing or no certificate at all: OpenSSL's own words name neither file nor setting."""
    nothing = tmp_path / "nothing.crt"
    for there in (False, True):
        if there:
            nothing.write_text("not a certificate")
        settings = BrokerSettings.model_validate({"port": free_port(), "tls_ca_file": ours / "ca.crt", name: nothing})
        with pytest.raises(OSError, match=f"METERWARDEN_BROKER__{name.upper()} .*cannot be used .*{nothing}"):
            tls_context(settings)


@pytest.mark.parametrize("alone", ["tls_certificate_file", "tls_key_file"])
def test_a_certificate_without_an_authority_is_no_setting(alone: str) -> None:
    """It would connect in the clear, which nobody who names a certificate means."""
    with pytest.raises(ValueError, match="need tls_ca_file"):
        BrokerSettings.model_validate({alone: "ours.crt"})


def test_a_key_is_readable_by_its_owner_only(ours: Path) -> None:
    """What the script writes, whatever the umask; certificates are for everybody."""
    modes = {path.name: path.stat().st_mode & 0o777 for path in ours.iterdir()}
    assert {0o600} == {mode for name, mode in modes.items() if name.endswith(".key")}
    assert {0o644} == {mode for name, mode in modes.items() if name.endswith(".crt")}
