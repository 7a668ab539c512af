"""What the pages of docs/ take for granted when their commands are typed: servers, rows, files; and other names for theirs."""

import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Final

from ingest.intake import AcceptWindow, assess
from ingest.messages import Message
from ingest.metering.calendar import HOUR_US, instant
from ingest.stack import Stack, Tls, free_port
from ingest.storage.registry import load_registry
from ingest.storage.writer import Writer
from schemas.topics import gateway_readings
from tests.answers import publisher
from tests.certificates import authority
from tests.databases import PASSWORDS, ROOT, Database
from tests.deploy.started import broker_of, replaced
from tests.documents import Step
from tests.published import RECENT, forget_session, reading, topic
from tests.registries import channels, import_files, institution, meter, write_files
from tests.running import eventually, own_broker, running_service
from tests.settling import store

ROOTED: Final = re.compile(r"(?<![\w./])/(?=(?:etc|opt|root|run|srv|var)/)")
"""A path of the machine's own, which here is one below a directory of the test's."""
FUNCTIONS: Final = """
sudo() { env "$@"; }                                                    # the paths are the test's own
pidof() { echo "$BROKER_PROCESS"; }                                     # other tests have brokers too
mosquitto_passwd() { printf 'secret\\nsecret\\n' | command mosquitto_passwd "$@"; }       # typed twice by somebody
command -v curl > /dev/null || curl() { python -c 'import sys, urllib.request; print(
  urllib.request.urlopen(sys.argv[-1]).read().decode())' "$@"; }        # a bare machine has none
"""
"""What a tester does otherwise than a reader."""


@dataclass(slots=True)
class Scene:
    """Where a page is typed: a directory in place of the machine's root, a database, and what the page's names stand for."""

    root: Path
    stack: Stack
    database: Database
    names: dict[str, str] = field(default_factory=dict)
    """What the page calls something, and what it is here."""
    settings: dict[str, str] = field(default_factory=dict)
    """What its environment has beside `meterwarden stack env`."""

    def here(self, step: Step) -> Step:
        """The step with this scene's names in place of the page's."""
        return Step(self._here(step.commands), self._here(step.shown))

    def _here(self, text: str) -> str:
        return ROOTED.sub(f"{self.root}/", replaced(text, self.names))

    def path(self, name: str) -> Path:
        """A path of the machine's, its directory made."""
        found = self.root / name.removeprefix("/")
        found.parent.mkdir(parents=True, exist_ok=True)
        return found

    def environment(self) -> Mapping[str, str]:
        """The settings of `meterwarden stack env`, for this database."""
        programs, broker = self.stack.programs, self.stack.mosquitto
        assert broker.process is not None
        return {
            "PATH": ":".join(
                map(str, (Path(sys.executable).parent, programs.postgres_bin, programs.amtool.parent, os.environ["PATH"]))
            ),
            "BROKER_PROCESS": str(broker.process.pid),
            "METERWARDEN_DATABASE__URL": self.database.writer_url,
            "METERWARDEN_OWNER_URL": self.database.owner_url,
            "METERWARDEN_READER_URL": self.database.reader_url,
            "METERWARDEN_BROKER__PORT": str(broker.port),
            "METERWARDEN_BROKER__USERNAME": "ingest",
            "METERWARDEN_BROKER__PASSWORD_FILE": str(self.stack.password_file("ingest")),
            "METERWARDEN_BROKER__CLIENT_IDENTIFIER": self.database.name,
            "METERWARDEN_SIMULATOR_PORT": str(broker.port),
            "METERWARDEN_SIMULATOR_USERNAME": "simulator",
            "METERWARDEN_SIMULATOR_PASSWORD_FILE": str(self.stack.password_file("simulator")),
            **self.settings,
        }


@asynccontextmanager
async def nothing(_scene: Scene) -> AsyncIterator[None]:
    """A page that takes nothing for granted but `meterwarden stack env`."""
    yield


@asynccontextmanager
async def broker(scene: Scene) -> AsyncIterator[None]:
    """Directories of Debian's package. Afterwards the broker starts on what the page left there, and lets both users in."""
    config, queue = scene.path("/etc/mosquitto"), scene.path("/var/lib/mosquitto")
    config.mkdir()
    yield
    with broker_of(scene.stack.programs, SimpleNamespace(config=config), (str(config), str(queue))) as started:
        for user in ("ingest", "SCHOOL-1"):
            with publisher(started, user, "secret") as client:
                assert ("CONNACK", 0) == client.answer()


@asynccontextmanager
async def check(scene: Scene) -> AsyncIterator[None]:
    """A password that others may read, and a database that lacks a migration."""
    password = scene.path("/etc/meterwarden/broker.password")
    password.write_bytes(scene.stack.password_file("ingest").read_bytes())
    password.chmod(0o644)
    scene.settings["METERWARDEN_BROKER__PASSWORD_FILE"] = str(password)
    await scene.database.run("DELETE FROM public.meterwarden_migration WHERE name = '0010_tree'")
    yield


@asynccontextmanager
async def consumption(scene: Scene) -> AsyncIterator[None]:
    """A reading of which two values came."""
    await import_files(scene.database, write_files(scene.path("/registry")))
    channel = (await channels(scene.database))["I1/electricity/E1/energy_import_kwh"]
    disputed = instant(datetime.fromisoformat("2026-10-02T08:00:00+08:00"))
    await store(scene.database, [[(channel, disputed, 1_510_000)], [(channel, disputed, 1_511_000)]])
    yield


@asynccontextmanager
async def deployment(scene: Scene) -> AsyncIterator[None]:
    """What the parts that are not typed leave; the database of the page goes again."""
    secrets, program = scene.path("/etc/meterwarden/secrets"), scene.path("/opt/meterwarden/bin")
    secrets.mkdir()
    for role, password in PASSWORDS.items():
        (secrets / f"{role}.password").write_text(password, encoding="utf-8")
    program.symlink_to(Path(sys.executable).parent)
    postgres = scene.stack.postgres
    scene.path("/root/postgres.password").write_text(postgres.password, encoding="utf-8")
    for directory in ("/srv/backups", "/etc/systemd/system", "/var/lib/prometheus/node-exporter"):
        scene.path(f"{directory}/any")
    scene.names["@db.example.org/postgres"] = f"@127.0.0.1:{postgres.port}/postgres"
    scene.names["db.example.org"] = "127.0.0.1"
    scene.settings |= {"PGPORT": str(postgres.port), "PGPASSWORD": postgres.password, "PGDATABASE": scene.database.name}
    async with watched(scene):
        yield
    await scene.database.run("DROP DATABASE meterwarden WITH (FORCE)")


@asynccontextmanager
async def gateways(scene: Scene) -> AsyncIterator[None]:
    """The files of a broker where nobody publishes yet."""
    passwords = scene.path("/etc/mosquitto/passwords")
    passwords.touch(0o600)
    shutil.copy(ROOT / "deploy" / "mosquitto" / "access", passwords.parent)
    yield
    assert "" == passwords.read_text(encoding="utf-8")


@asynccontextmanager
async def quarantine(scene: Scene) -> AsyncIterator[None]:
    """The six messages of the page, of an institution whose meter E7 is registered later."""
    at_school = [institution("SCHOOL-1")]
    files = write_files(scene.path("/before"), at_school, [meter(of="SCHOOL-1")])
    await import_files(scene.database, files)
    scene.names["DIRECTORY"] = str(write_files(scene.path("/after"), at_school, [meter(of="SCHOOL-1"), meter("E7", of="SCHOOL-1")]))
    good = json.loads(reading(0))
    batch = [
        {"medium": "electricity", "meter": "E7", **good},
        {"medium": "electricity", "meter": "E1", **good, "energy_import_kwh": "1"},
    ]
    e1, e7 = topic("SCHOOL-1"), topic("SCHOOL-1", "E7")
    await reject(scene.database, (
        (e7, reading(1)), (e7, reading(2)), (e1, reading(-60 * 86_400)), (e1, b'{"read_at": "\xff\xfe'),
        (e1, b'{"read_at": "2026-11-20T12:00:00+08:00", "energy_import_kwh": }'),
        (gateway_readings("SCHOOL-1", "G1"), json.dumps({"readings": batch}).encode()),
    ))  # fmt: skip
    yield


async def reject(database: Database, messages: Sequence[tuple[str, bytes]]) -> None:
    """Messages through intake's own decision, numbered in their order."""
    registry, arrived = await load_registry(database.settings), instant(RECENT + timedelta(hours=1))
    writer = Writer(database.settings)
    window = AcceptWindow(45 * 24 * HOUR_US, HOUR_US // 6)
    for assessed in assess([Message(to, payload, 1, False, 1, 1, arrived) for to, payload in messages], registry, window, 2**18):
        await writer.write([assessed])
    await writer.close()


@asynccontextmanager
async def replay(scene: Scene) -> AsyncIterator[None]:
    """A service of the page's own; afterwards every reading that it shows is stored."""
    scene.settings["METERWARDEN_HTTP__PORT"] = str(free_port())
    try:
        yield
        await eventually(partial(scene.database.rows, "SELECT FROM meterwarden.reading HAVING count(*) = 9"), "nine readings")
    finally:
        await forget_session(scene.stack.mosquitto, scene.database.name)


@asynccontextmanager
async def runbook(scene: Scene) -> AsyncIterator[None]:
    """A service to ask, and a broker and a file with a certificate."""
    certificates = authority(scene.path("/certificates/ca.crt").parent, "127.0.0.1")
    with own_broker(scene.stack.programs, tls=Tls(certificates)) as broker:
        broker.start()
        scene.names |= {
            " FILE ": f" {certificates / 'server.crt'} ",
            "BROKER:8883": f"127.0.0.1:{broker.tls_port}",
            "postgresql://meterwarden_reader@127.0.0.1/meterwarden": scene.database.reader_url,
        }
        async with watched(scene):
            yield


@asynccontextmanager
async def watched(scene: Scene) -> AsyncIterator[None]:
    """A service that runs, on the database of the test."""
    async with running_service(scene.database, scene.stack.mosquitto, scene.path("/service/log").parent) as service:
        scene.names["http://127.0.0.1:9464"] = f"http://127.0.0.1:{service.port}"
        yield


@asynccontextmanager
async def vee(scene: Scene) -> AsyncIterator[None]:
    """A finding, whose name is another one than the page's."""
    await import_files(scene.database, write_files(scene.path("/registry")))
    ((name,),) = await scene.database.rows(
        "INSERT INTO metering.finding (rule, channel, from_day, to_day, days, severity, impact, evidence) "
        "SELECT 'silent', min(channel), '2026-05-04', '2026-05-09', 6, 'warning', 1, '{}' FROM metering.channel RETURNING name"
    )
    scene.names["4f1c09"] = name[:6]
    yield
    assert [("open",)] == await scene.database.rows("SELECT state FROM meterwarden.finding")


PREPARED: Final[Mapping[str, Callable[[Scene], AbstractAsyncContextManager[None]]]] = {
    "broker.md": broker,
    "cli.md": check,
    "consumption.md": consumption,
    "deployment.md": deployment,
    "gateways.md": gateways,
    "quarantine.md": quarantine,
    "replay.md": replay,
    "runbook.md": runbook,
    "vee.md": vee,
}
