"""The one-shot that prepares the broker: the real mosquitto starts on what it leaves, and lets in whom it should."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ingest import accounts
from ingest.cli import main
from ingest.stack import Stack, process
from ingest.stack.mosquitto import SIMULATOR_ACCESS
from tests.answers import publisher
from tests.deploy.started import AsSetUp, broker_of, broker_setup, containers_below
from tests.published import topic

SUCCESS, NOT_AUTHORIZED, NO_SUBSCRIBERS = 0x00, 0x87, 0x10
NAMES = ("mosquitto", "localhost", "127.0.0.1")


@pytest.fixture
def at(tmp_path: Path) -> Any:
    """New volumes, prepared without the simulator."""
    places = containers_below(tmp_path)
    broker_setup().set_up(places, NAMES, simulator=False)
    return places


def answer(broker: AsSetUp, user: str, password: str | None = None) -> int:
    """The reason code of the broker's CONNACK."""
    with publisher(broker, user, password) as one:
        return one.answer()[1]


def test_the_broker_starts_and_knows_the_service_and_nobody_else(stack: Stack, at: Any) -> None:
    """The simulator's password exists and is good for nothing."""
    with broker_of(stack.programs, at) as broker:
        assert answer(broker, "ingest") == SUCCESS
        assert answer(broker, "ingest", "wrong") == NOT_AUTHORIZED
        assert answer(broker, "simulator") == NOT_AUTHORIZED
        assert "user simulator" not in (at.config / "access").read_text()


def test_it_can_be_run_again_and_changes_nothing_that_lasts(at: Any) -> None:
    """Certificates and institutions stay; the configuration is the shipped one, whatever it was."""
    broker_setup().add(at, ["SCHOOL-1"])
    kept = {name: (at.config / name).read_text() for name in ("tls/server.crt", "tls/server.key")}
    (at.config / "access").write_text("pattern readwrite #\n")
    broker_setup().set_up(at, NAMES, simulator=True)
    assert {"ingest", "simulator", "SCHOOL-1"} == set(broker_setup().passwords(at))
    broker_setup().set_up(at, NAMES, simulator=False)
    assert {"ingest", "SCHOOL-1"} == set(broker_setup().passwords(at))
    assert kept == {name: (at.config / name).read_text() for name in kept}
    assert (at.config / "access").read_text() == (
        at.shipped / "access"
    ).read_text() + broker_setup().EXPLAINED + broker_setup().KEPT


GATEWAY = ("SCHOOL-1", "G1")


def gateway(at: Any, command: str) -> str:
    """`meterwarden gateway` for G1 of SCHOOL-1 on the broker's own files; returns what it says."""
    files = ["--password-file", str(at.config / "passwords"), "--acl-file", str(at.config / "access")]
    done = CliRunner().invoke(main, ["gateway", command, *GATEWAY, *files, "--json"])
    assert 0 == done.exit_code, done.output
    return done.stdout


def test_what_an_operator_added_to_the_access_list_is_kept_at_every_start(stack: Stack, at: Any) -> None:
    """The rules of a gateway and rules by hand, whatever the simulator's do, and also those of a list from before any was kept."""
    user, added = "G1@SCHOOL-1", json.loads(gateway(at, "add"))
    access = at.config / "access"
    access.write_text(f"{access.read_text()}# a panel in the hall\nuser panel\ntopic read meterwarden/quota/#\n")
    kept = access.read_text().partition(broker_setup().KEPT)[2]
    assert user in kept
    for simulator in (True, False, False):
        broker_setup().set_up(at, NAMES, simulator=simulator)
        assert kept == access.read_text().partition(broker_setup().KEPT)[2]
        assert simulator == ("user simulator" in access.read_text())
    assert may_publish_as_a_gateway(stack, at, user, added["password"])

    older = (at.shipped / "access").read_text() + SIMULATOR_ACCESS + kept
    for _ in range(2):
        access.write_text(older)
        broker_setup().set_up(at, NAMES, simulator=False)
        assert ["ingest", user, "panel"] == accounts.named(access.read_text())
        assert accounts.rules_of(older, user) == accounts.rules_of(access.read_text(), user) != []
        assert ["topic read meterwarden/quota/#"] == accounts.rules_of(access.read_text(), "panel")
        older = access.read_text()
    assert may_publish_as_a_gateway(stack, at, user, added["password"])

    gateway(at, "remove")
    broker_setup().set_up(at, NAMES, simulator=False)
    assert ["ingest", "panel"] == accounts.named(access.read_text())
    assert user not in broker_setup().passwords(at)


def may_publish_as_a_gateway(stack: Stack, at: Any, user: str, password: str) -> bool:
    """Whether the real broker takes a batch from G1 of SCHOOL-1, and from it nothing else."""
    with broker_of(stack.programs, at) as broker, publisher(broker, user, password) as one:
        assert ("CONNACK", SUCCESS) == one.answer()
        assert ("PUBACK", NOT_AUTHORIZED) == one.publish("metering/SCHOOL-1/gateway/G2/batch")
        return ("PUBACK", NO_SUBSCRIBERS) == one.publish("metering/SCHOOL-1/gateway/G1/batch")


def test_an_institution_is_let_in_for_its_own_topics_and_shut_out(stack: Stack, at: Any) -> None:
    """With the password that was shown once; after SIGHUP without a restart."""
    with broker_of(stack.programs, at) as broker:
        broker.passwords = broker_setup().add(at, ["SCHOOL-1"])
        assert told(broker, "SCHOOL-1", SUCCESS)
        with publisher(broker, "SCHOOL-1") as meter:
            assert ("CONNACK", SUCCESS) == meter.answer()
            assert ("PUBACK", NO_SUBSCRIBERS) == meter.publish(topic("SCHOOL-1"))
            assert ("PUBACK", NOT_AUTHORIZED) == meter.publish(topic("SCHOOL-2"))
        broker_setup().remove(at, ["SCHOOL-1"])
        assert told(broker, "SCHOOL-1", NOT_AUTHORIZED)


def test_an_institution_that_is_there_keeps_its_password(at: Any) -> None:
    """A list given once more would shut out every gateway on it; nobody of such a list is let in."""
    broker_setup().add(at, ["SCHOOL-1"])
    before = broker_setup().passwords(at)
    with pytest.raises(ValueError, match="'SCHOOL-1': there already"):
        broker_setup().add(at, ["SCHOOL-2", "SCHOOL-1"])
    assert before == broker_setup().passwords(at)


def told(broker: AsSetUp, user: str, expected: int) -> bool:
    """Whether the broker answers a user so after SIGHUP, as soon as it has read its files."""
    assert broker.process is not None
    broker.take()
    broker.process.send(signal.SIGHUP)
    return process.wait_until(lambda: answer(broker, user) == expected, 60)


@pytest.mark.parametrize("code", ["A/B", "A B", "", "A:B", "A+", "$SYS", "ingest", "simulator", "meterwarden"])
def test_no_institution_gets_a_name_that_means_more_than_itself(at: Any, code: str) -> None:
    """A slash would stand for a part of another's topics; the others are the service's, or no user names."""
    before = broker_setup().passwords(at)
    with pytest.raises(ValueError, match="no code for an institution"):
        broker_setup().add(at, ["SCHOOL-1", code])
    assert before == broker_setup().passwords(at)


def test_nobody_but_the_broker_reads_keys_and_passwords_and_everybody_the_authority(at: Any) -> None:
    """And the authority's key is where the broker is not."""
    for name in ("passwords", "tls/server.key"):
        assert (at.config / name).stat().st_mode & 0o077 == 0
    assert (at.ca / "ca.crt").stat().st_mode & 0o444 == 0o444
    assert {"ca.crt"} == {path.name for path in at.ca.iterdir()}
    assert (at.authority / "ca.key").stat().st_mode & 0o077 == 0
    assert [] == list(at.config.rglob("ca.key"))


def test_the_certificate_is_renewed_for_other_names_and_before_it_ends(at: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the same authority, so that nobody needs a new one."""
    authority, first = (at.ca / "ca.crt").read_text(), certificate(at)
    broker_setup().set_up(at, [*NAMES, "mqtt.example.org"], simulator=False)
    second = certificate(at)
    assert "DNS:mqtt.example.org" in second
    assert second != first
    monkeypatch.setattr(broker_setup(), "RENEW_SECONDS", 826 * 86_400)
    broker_setup().set_up(at, [*NAMES, "mqtt.example.org"], simulator=False)
    assert certificate(at) != second
    assert (at.ca / "ca.crt").read_text() == authority


def test_an_authority_whose_key_is_kept_elsewhere_stays_the_authority(at: Any) -> None:
    """Nothing is made while nothing is needed; a new certificate waits for the key, and no other authority takes its place."""
    (at.authority / "ca.key").rename(at.authority.parent / "ca.key")
    before = {path: path.read_bytes() for path in (at.ca / "ca.crt", at.authority / "ca.crt", at.config / "tls" / "server.crt")}
    broker_setup().set_up(at, NAMES, simulator=False)
    with pytest.raises(ValueError, match=r"bring ca\.key back"):
        broker_setup().set_up(at, [*NAMES, "mqtt.example.org"], simulator=False)
    assert before == {path: path.read_bytes() for path in before}
    (at.authority.parent / "ca.key").rename(at.authority / "ca.key")
    broker_setup().set_up(at, [*NAMES, "mqtt.example.org"], simulator=False)
    assert "DNS:mqtt.example.org" in certificate(at)


def certificate(at: Any) -> str:
    """The broker's certificate, in words."""
    command = ["openssl", "x509", "-noout", "-text", "-in", at.config / "tls" / "server.crt"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_certificate_of_the_operators_own_is_left_alone(tmp_path: Path) -> None:
    """Put into the volume by hand: neither replaced nor renewed, and no authority is made."""
    at = containers_below(tmp_path)
    broker_setup().write(at.config / "tls" / "server.crt", "of a public authority")
    broker_setup().set_up(at, NAMES, simulator=False)
    assert (at.config / "tls" / "server.crt").read_text() == "of a public authority"
    assert [] == list(at.authority.iterdir())
