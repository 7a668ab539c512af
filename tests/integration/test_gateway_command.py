"""`meterwarden gateway` beside a real broker: whom it lets in, what they may say, and what happens to the files."""

import asyncio
import json
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ingest.accounts import PATTERN, users
from ingest.cli import main
from ingest.stack import Mosquitto, Stack
from schemas.topics import gateway_readings, gateway_status
from tests.absent import all_delivered, service
from tests.answers import Publisher, publisher
from tests.published import client, institution_code, topic
from tests.running import eventually, own_broker

SUCCESS, NO_SUBSCRIBERS, NOT_AUTHORIZED = 0x00, 0x10, 0x87
Run = Callable[..., Result]


@pytest.fixture
def broker(stack: Stack) -> Iterator[Mosquitto]:
    """A broker on the shipped files, where nobody publishes yet."""
    with own_broker(stack.programs) as running:
        running.start()
        yield running


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command, in English; its exit status must be as told."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")

    def ran(*arguments: object, status: int = 0) -> Result:
        done = CliRunner().invoke(main, ["gateway", *map(str, arguments)])
        assert status == done.exit_code, done.output
        return done

    return ran


def files(broker: Mosquitto, *, access: bool = True) -> list[Any]:
    """The options that name the broker's own files."""
    passwords = ["--password-file", broker.directory / "passwords"]
    return [*passwords, "--acl-file", broker.directory / "access"] if access else passwords


def added(run: Run, broker: Mosquitto, *names: str) -> dict[str, Any]:
    """What the command says of a user that it has added to the broker's files."""
    return dict(json.loads(run("add", *names, *files(broker), "--json").output))


async def reload(broker: Mosquitto) -> None:
    """The broker has read users and rules again, as it says in its log."""
    assert broker.process is not None
    before = broker.log_path.read_text().count("Reloading config")
    os.kill(broker.process.pid, signal.SIGHUP)
    await eventually(lambda: broker.log_path.read_text().count("Reloading config") > before)


async def let_in(broker: Mosquitto, user: str, password: str) -> bool:
    """Whether the broker lets this user in."""

    def asked() -> int:
        with publisher(broker, user, password) as one:
            return one.answer()[1]

    return await asyncio.to_thread(asked) == SUCCESS


def said_to(one: Publisher, *topics: str) -> list[int]:
    """The reason codes for publishing on these; a CONNACK first."""
    assert ("CONNACK", SUCCESS) == one.answer()
    codes = [one.publish(to)[1] for to in topics]
    return [SUCCESS if code == NO_SUBSCRIBERS else code for code in codes]


async def test_an_institution_that_was_added_publishes_as_itself_and_as_no_other(run: Run, broker: Mosquitto) -> None:
    """The shipped pattern is enough: no line is added. What is refused reaches nobody."""
    ours, theirs = institution_code(), institution_code()
    before = (broker.directory / "access").read_text()
    told = added(run, broker, ours)
    await reload(broker)
    async with service(broker) as reader:
        with publisher(broker, ours, told["password"]) as one:
            assert [SUCCESS, NOT_AUTHORIZED, SUCCESS] == await asyncio.to_thread(
                said_to, one, topic(ours), topic(theirs), gateway_readings(ours, "G1")
            )
        assert [b"1", b"1"] == await all_delivered(broker, reader, theirs)
        await reader.unsubscribe("$share/g/metering/+/#")
    assert [] == told["acl_lines"]
    assert before == (broker.directory / "access").read_text()


async def test_a_gateway_that_was_added_publishes_its_own_batches_and_nothing_else(run: Run, broker: Mosquitto) -> None:
    """Neither another gateway's, nor a meter's own topic, nor another institution's; and it reads nothing."""
    ours, theirs = institution_code(), institution_code()
    told = added(run, broker, ours, "G1")
    await reload(broker)
    allowed = (gateway_readings(ours, "G1"), gateway_status(ours, "G1"))
    denied = (gateway_readings(ours, "G2"), topic(ours), gateway_readings(theirs, "G1"), "meterwarden/quota/x/y", "metering/G1/x")
    with publisher(broker, told["user"], told["password"]) as one:
        codes = await asyncio.to_thread(said_to, one, *allowed, *denied)
    assert [SUCCESS] * len(allowed) + [NOT_AUTHORIZED] * len(denied) == codes
    assert told["acl_lines"] == [f"user G1@{ours}", f"topic write metering/{ours}/gateway/G1/#"]


async def test_a_gateway_for_the_whole_institution_publishes_for_its_meters_too(run: Run, broker: Mosquitto) -> None:
    """For one that passes on what meters and chargers say on topics of their own."""
    ours, theirs = institution_code(), institution_code()
    told = added(run, broker, ours, "G1", "--whole-institution")
    await reload(broker)
    with publisher(broker, told["user"], told["password"]) as one:
        assert [SUCCESS, SUCCESS, NOT_AUTHORIZED] == await asyncio.to_thread(
            said_to, one, gateway_readings(ours, "G1"), topic(ours), topic(theirs)
        )


async def test_what_is_printed_is_what_would_be_written(run: Run, broker: Mosquitto) -> None:
    """For files on another machine: the lines appended by hand do the same."""
    ours = institution_code()
    told = json.loads(run("add", ours, "G1", "--json").output)
    with (broker.directory / "passwords").open("a") as passwords, (broker.directory / "access").open("a") as access:
        passwords.write(told["password_line"] + "\n")
        access.write("\n".join(told["acl_lines"]) + "\n")
    await reload(broker)
    with publisher(broker, told["user"], told["password"]) as one:
        assert [SUCCESS, NOT_AUTHORIZED] == await asyncio.to_thread(said_to, one, gateway_readings(ours, "G1"), topic(ours))


async def test_after_rotating_the_old_password_is_refused_and_the_rules_stand(run: Run, broker: Mosquitto) -> None:
    """At the next connect; whoever is connected with the old one is disconnected at once, and nobody else."""
    ours = institution_code()
    old = added(run, broker, ours, "G1")
    await reload(broker)
    with publisher(broker, "ingest") as another, publisher(broker, old["user"], old["password"]) as still_there:
        assert ("CONNACK", SUCCESS) == await asyncio.to_thread(still_there.answer)
        assert ("CONNACK", SUCCESS) == await asyncio.to_thread(another.answer)
        new = json.loads(run("rotate", ours, "G1", *files(broker, access=False), "--json").output)
        await reload(broker)
        name, _ = await asyncio.to_thread(still_there.answer)
        assert "DISCONNECT" == name
        name, _ = await asyncio.to_thread(another.publish, "meterwarden/quota/x/y")
        assert "PUBACK" == name
    assert old["password"] != new["password"]
    assert 1 == users((broker.directory / "passwords").read_text()).count(old["user"])
    assert (False, True) == (
        await let_in(broker, old["user"], old["password"]),
        await let_in(broker, old["user"], new["password"]),
    )
    with publisher(broker, new["user"], new["password"]) as one:
        assert [SUCCESS, NOT_AUTHORIZED] == await asyncio.to_thread(said_to, one, gateway_readings(ours, "G1"), topic(ours))


async def test_after_removing_nobody_comes_in_under_the_name_and_the_files_are_as_before(run: Run, broker: Mosquitto) -> None:
    """Byte by byte; the others stay."""
    ours = institution_code()
    before = [(broker.directory / name).read_text() for name in ("passwords", "access")]
    told = added(run, broker, ours, "G1")
    run("remove", ours, "G1", *files(broker))
    await reload(broker)
    assert not await let_in(broker, told["user"], told["password"])
    assert before == [(broker.directory / name).read_text() for name in ("passwords", "access")]
    async with client(broker):
        pass


def test_the_files_keep_owner_and_mode_and_hold_no_password(run: Run, broker: Mosquitto) -> None:
    """The broker's user must read them on, and nobody else."""
    paths = [broker.directory / name for name in ("passwords", "access")]
    before = [(path.stat().st_uid, path.stat().st_gid, path.stat().st_mode) for path in paths]
    password = added(run, broker, institution_code(), "G1")["password"]
    assert before == [(path.stat().st_uid, path.stat().st_gid, path.stat().st_mode) for path in paths]
    assert not any(password in path.read_text() for path in paths)
    assert [] == [path.name for path in broker.directory.iterdir() if path.name.startswith(".")]


def test_a_file_that_was_not_there_is_readable_by_its_owner_only(run: Run, tmp_path: Path) -> None:
    """Whatever the umask."""
    path = tmp_path / "passwords"
    run("add", "SCHOOL-1", "--password-file", path)
    assert 0o600 == path.stat().st_mode & 0o777


def test_whoever_is_added_at_the_same_time_is_not_lost(run: Run, tmp_path: Path) -> None:
    """Every change is of the whole file, one after the other."""
    path, access = tmp_path / "passwords", tmp_path / "access"
    with ThreadPoolExecutor(8) as pool:
        names = [f"S{number}" for number in range(24)]
        commands = [("add", name, "G1", "--password-file", str(path), "--acl-file", str(access)) for name in names]
        done = list(pool.map(lambda one: main.main(["gateway", *one], standalone_mode=False), commands))
    assert len(names) == len(done)
    listed = [json.loads(line) for line in run("list", "--password-file", path, "--acl-file", access, "--json").output.splitlines()]
    assert {f"G1@{name}": [f"topic write metering/{name}/gateway/G1/#"] for name in names} == {
        one["user"]: one["rules"] for one in listed
    }


def test_a_password_is_shown_once_and_never_listed(run: Run, tmp_path: Path) -> None:
    """Nor is its hash."""
    path = tmp_path / "passwords"
    shown = run("add", "SCHOOL-1", "--password-file", path).output
    (password,) = [line.partition(": ")[2] for line in shown.splitlines() if line.startswith("password (shown")]
    assert 1 == shown.count(password)
    listed = run("list", "--password-file", path).output
    assert "SCHOOL-1\n" == listed


def test_without_the_shipped_pattern_an_institution_gets_rules_of_its_own(run: Run, tmp_path: Path) -> None:
    """The access list of an operator may be another one."""
    access = tmp_path / "access"
    access.write_text("user ingest\ntopic read metering/#")
    told = json.loads(run("add", "SCHOOL-1", "--acl-file", access, "--json").output)
    assert ["user SCHOOL-1", "topic write metering/SCHOOL-1/#"] == told["acl_lines"]
    access.write_text(f"{PATTERN}\n")
    assert [] == json.loads(run("add", "SCHOOL-1", "--acl-file", access, "--json").output)["acl_lines"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "a/b"), "is no code"), (("add", "SCHOOL-1", "+"), "is no code"), (("add", "a:b"), "is no code"),
        (("add", "ingest"), "is the service's own"), (("add", "meterwarden", "G1"), "is the service's own"),
        (("add", "SCHOOL-1", "--whole-institution"), "is about a GATEWAY"),
    ],
)  # fmt: skip
def test_names_that_would_mean_something_else_are_refused(run: Run, arguments: tuple[str, ...], said: str) -> None:
    """To mosquitto, to the rules, or to the service itself."""
    assert said in run(*arguments, status=2).output


def test_what_is_there_or_not_there_is_said_and_nothing_changes(run: Run, tmp_path: Path) -> None:
    """Adding twice, rotating and removing nobody, and a file in a place that does not exist."""
    passwords, access = tmp_path / "passwords", tmp_path / "access"
    both = ["--password-file", passwords, "--acl-file", access]
    run("add", "SCHOOL-1", "G1", *both)
    before = [path.read_text() for path in (passwords, access)]
    assert "rotate its password" in run("add", "SCHOOL-1", "G1", *both, status=1).output
    assert "has rules for G1@SCHOOL-1 already" in run("add", "SCHOOL-1", "G1", "--acl-file", access, status=1).output
    assert "there is no user SCHOOL-2" in run("rotate", "SCHOOL-2", "--password-file", passwords, status=1).output
    assert "there is no user SCHOOL-2" in run("remove", "SCHOOL-2", *both, status=1).output
    assert "No such file" in run("add", "SCHOOL-2", "--password-file", tmp_path / "nowhere" / "passwords", status=1).output
    assert before == [path.read_text() for path in (passwords, access)]
