"""compose.yaml, as docker compose reads it: what it must never allow, and that it names nothing that is not there."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ingest.settings import Settings
from tests.databases import ROOT
from tests.deploy import composed
from tests.deploy.named import variables

SERVICES = (
    "database-setup", "timescaledb", "migrate", "broker-setup", "mosquitto", "ingest", "storage", "prometheus", "node-exporter",
    "alertmanager", "grafana", "simulator-registry", "simulator",
)  # fmt: skip
every_service = pytest.mark.parametrize("name", SERVICES)


def service(name: str) -> dict[str, Any]:
    return composed.services()[name]


def test_compose_accepts_the_file_as_it_is_and_with_everything_the_example_shows(tmp_path: Path) -> None:
    """Every line of .env.example without its comment sign is a .env that works too."""
    given = "\n".join(f"{name}={text}" for name, text in composed.example().items())
    for environment in ("", given):
        done = composed.read(tmp_path, environment, "--quiet")
        assert (0, "") == (done.returncode, done.stderr)


def test_compose_accepts_the_second_worker_of_the_documentation(tmp_path: Path) -> None:
    """The override in docs/deployment.md: a name of its own, no port of the first one's, both in one group."""
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    (override,) = re.findall(r"```yaml\n(services:\n.*?)```", page, re.DOTALL)
    (tmp_path / "compose.override.yaml").write_text(override, encoding="utf-8")
    done = composed.read(tmp_path, "", "--format", "json")
    assert done.returncode == 0, done.stderr
    workers = {name: of for name, of in json.loads(done.stdout)["services"].items() if name.startswith("ingest")}
    assert {"ingest", "ingest-1"} == set(workers)
    assert "ports" not in workers["ingest-1"]
    environments = [of["environment"] for of in workers.values()]
    assert {"intake"} == {given["METERWARDEN_BROKER__SHARE_GROUP"] for given in environments}
    assert len({given.get("METERWARDEN_BROKER__CLIENT_IDENTIFIER") for given in environments}) == 2


def test_the_services_are_those_these_tests_look_at() -> None:
    """One that is added is tested too."""
    assert set(SERVICES) == set(composed.services())


# What no service may do


@every_service
def test_no_service_can_gain_rights_or_fill_the_machine(name: str) -> None:
    """A read-only file system, no capability, no root, and an end to memory, processes and logs."""
    of = service(name)
    assert of["read_only"] is True
    assert ["ALL"] == of["cap_drop"]
    assert "cap_add" not in of
    assert ["no-new-privileges:true"] == of["security_opt"]
    assert not of.get("privileged")
    assert of["user"].split(":")[0] not in {"", "0", "root"}
    assert 0 < int(of["mem_limit"]) <= 4 * 1024**3
    assert 0 < of["pids_limit"] <= 256
    assert {"max-size", "max-file"} <= of["logging"]["options"].keys()
    assert [] == [mount["source"] for mount in of.get("volumes", []) if "docker.sock" in mount["source"]]


@every_service
def test_what_is_mounted_from_the_checkout_is_there_and_read_only(name: str) -> None:
    """A missing file would become a directory of root's in the checkout."""
    mounts = [mount for mount in service(name).get("volumes", []) if mount["type"] == "bind"]
    assert [] == [mount["source"] for mount in mounts if not mount.get("read_only")]
    missing = [Path(mount["source"]).relative_to(ROOT).as_posix() for mount in mounts if not Path(mount["source"]).exists()]
    assert [] == missing


@pytest.mark.parametrize("given", ["", "BROKER_ADDRESS=0.0.0.0"])
def test_ports_are_published_on_this_machine_only_and_but_the_brokers_always(given: str) -> None:
    """What has no users or no TLS cannot be put on the network by a setting."""
    published = {
        (name, port["target"]): port["host_ip"]
        for name, of in composed.model(given)["services"].items()
        for port in of.get("ports", [])
    }
    broker = published.pop(("mosquitto", 8883))
    assert broker == ("0.0.0.0" if given else "127.0.0.1")  # noqa: S104
    assert {"127.0.0.1"} == set(published.values())


def test_the_database_is_reached_by_nobody_outside() -> None:
    """No port, and a network without a way out."""
    assert "ports" not in service("timescaledb")
    assert ["database"] == list(service("timescaledb")["networks"])
    assert composed.model()["networks"]["database"]["internal"] is True


def test_nobody_speaks_to_the_database_in_the_clear() -> None:
    """Whoever has its address has its authority too, and asks for it."""
    authority = "/database/ca/ca.crt"
    for name, of in composed.services().items():
        environment = of.get("environment") or {}
        urls = [text for text in environment.values() if "@timescaledb/" in str(text)]
        asked = [environment.get("METERWARDEN_DATABASE__TLS_CA_FILE"), environment.get("METERWARDEN_READER_CA")]
        asked += [url.partition("sslmode=verify-full&sslrootcert=")[2] for url in urls]
        if urls or "timescaledb" in str(environment):
            assert authority in asked, name
            assert ("database-ca", "/database/ca", True) in {
                (mount["source"], mount["target"], mount.get("read_only")) for mount in of["volumes"]
            }
    assert service("grafana")["environment"]["METERWARDEN_READER_SSLMODE"] == "verify-full"


def test_the_authoritys_key_is_where_no_server_is() -> None:
    """Whoever takes over the database cannot make certificates."""
    holders = {
        name for name, of in composed.services().items() for mount in of.get("volumes", []) if "authority" in mount["source"]
    }
    assert holders == {"database-setup", "broker-setup"}
    assert {"none"} == {service(name)["network_mode"] for name in holders}


# Secrets


def test_passwords_are_files_outside_the_repository() -> None:
    """In directories that git and the image's builder ignore: compose's, and those of `bootstrap` and of backups."""
    files = {Path(secret["file"]) for secret in composed.model()["secrets"].values()}
    assert {ROOT / "secrets"} == {file.parent for file in files}
    assert {"/secrets/", "/passwords/", "/backups/"} <= set((ROOT / ".gitignore").read_text().splitlines())
    assert "*" in (ROOT / ".dockerignore").read_text().splitlines()


@every_service
def test_no_password_stands_in_the_environment(name: str) -> None:
    """A variable that speaks of a password names a file that this service is given, and no URL holds one."""
    given = {f"/run/secrets/{secret['target']}" for secret in service(name).get("secrets", [])}
    for variable, text in (service(name).get("environment") or {}).items():
        if re.search("PASSWORD|SECRET|TOKEN", variable):
            assert variable.endswith("_FILE")
            assert text in given
        assert not re.search(r"//[^/@]*:[^/@]*@", str(text))


def test_each_password_reaches_only_those_who_need_it() -> None:
    """The superuser's and the owner's never meet the network of the meters."""
    held = {name: {secret["source"] for secret in of.get("secrets", [])} for name, of in composed.services().items()}
    assert {name: secrets for name, secrets in held.items() if secrets} == {
        "timescaledb": {"postgres"},
        "migrate": {"postgres", "meterwarden_owner", "meterwarden_writer", "meterwarden_reader"},
        "broker-setup": {"broker_ingest", "broker_simulator"},
        "ingest": {"broker_ingest", "meterwarden_writer"},
        "storage": {"meterwarden_owner"},
        "grafana": {"grafana_admin", "meterwarden_reader"},
        "alertmanager": {
            "alertmanager_smtp_password",
            "alertmanager_chat_url",
            "alertmanager_webhook_url",
            "alertmanager_heartbeat_url",
        },
        "simulator-registry": {"meterwarden_writer"},
        "simulator": {"broker_simulator"},
    }


def test_the_script_makes_every_password_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    """A second run changes none; another user of the machine cannot get through the directory."""
    wanted = {Path(secret["file"]).name for secret in composed.model()["secrets"].values()}
    made = []
    for _ in range(2):
        subprocess.run([ROOT / "deploy/compose/secrets", tmp_path / "secrets"], check=True, capture_output=True)
        made.append({path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()})
    assert wanted == set(made[0])
    assert made[0] == made[1]
    assert len(set(made[0].values()) - {""}) == sum(name.endswith(".password") for name in wanted)
    assert {32} == {len(text) for name, text in made[0].items() if name.endswith(".password")}
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


# Names and order


def test_every_variable_is_a_setting() -> None:
    """A misspelt one would be ignored, or end the process at its start."""
    given = [of.get("environment") or {} for name, of in composed.services().items() if name != "grafana"]
    ours = {name for one in (*given, composed.example()) for name in one if name.startswith("METERWARDEN_")}
    assert len(ours) > 10
    assert set() == ours - variables()


def test_grafana_and_alertmanager_are_given_what_their_files_ask_for() -> None:
    """Every variable of the data sources, every file that a receiver reads its secret from."""
    sources = "".join(path.read_text() for path in (ROOT / "deploy/grafana/provisioning").rglob("*.yaml"))
    asked = set(re.findall(r"^(?!#).*?\$([A-Z][A-Z_]+)", sources, re.MULTILINE))
    assert set() == asked - set(service("grafana")["environment"])
    files = set(re.findall(r"\$__file\{/run/secrets/(\w+)\}", sources))
    assert set() == files - {secret["target"] for secret in service("grafana")["secrets"]}
    receivers = (ROOT / "deploy/alertmanager/alertmanager.yml").read_text()
    read = set(re.findall(r"_file: (\S+)", receivers))
    assert set() == read - {secret["target"] for secret in service("alertmanager")["secrets"]}


def test_the_example_shows_what_compose_reads_and_nothing_else() -> None:
    """Every name that compose.yaml fills in is explained in .env.example."""
    read = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "compose.yaml").read_text(encoding="utf-8")))
    assert read == {name for name in composed.example() if not name.startswith("METERWARDEN_")}


def test_whoever_stays_is_watched_and_whoever_ends_is_waited_for() -> None:
    """A health check and a restart for the ones, an order for the others."""
    waited = {
        before for of in composed.services().values() for before, how in of.get("depends_on", {}).items()
        if how["condition"] == "service_completed_successfully"
    }  # fmt: skip
    for name, of in composed.services().items():
        if name in composed.ONCE:
            assert of["restart"] == "no"
            assert name in waited | {"simulator"}
        else:
            assert of["restart"] == "unless-stopped"
            assert of["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


def test_the_service_starts_after_its_database_is_migrated_and_its_broker_is_up() -> None:
    """It would wait by itself; but a broker without its password file would never start."""
    order = {
        name: {before: how["condition"] for before, how in of.get("depends_on", {}).items()}
        for name, of in composed.services().items()
    }
    assert order["timescaledb"] == {"database-setup": "service_completed_successfully"}
    assert order["migrate"] == {"timescaledb": "service_healthy"}
    assert order["mosquitto"] == {"broker-setup": "service_completed_successfully"}
    assert order["ingest"] == {"migrate": "service_completed_successfully", "mosquitto": "service_healthy"}


def test_the_daily_work_has_the_settings_that_the_service_watches_it_by() -> None:
    """The same .env, or the alert would speak of other chunks."""
    raw = composed.model("METERWARDEN_STORAGE__RAW_RETENTION_DAYS=400")["services"]
    assert {"400"} == {raw[name]["environment"]["METERWARDEN_STORAGE__RAW_RETENTION_DAYS"] for name in ("ingest", "storage")}


@pytest.mark.parametrize("name", ["database-setup", "broker-setup"])
def test_a_new_volume_belongs_to_the_one_shot_that_fills_it(name: str) -> None:
    """It takes over owner and mode of the directory that the image has in its place."""
    of = service(name)
    owner = of["user"].split(":")[0]
    made = {
        directory: user
        for user, group, named in re.findall(
            r"install --directory --owner=(\d+) --group=(\d+) --mode=0755 ([^\\]+)", (ROOT / "Dockerfile").read_text()
        )
        for directory in named.split()
        if user == group
    }
    volumes = {mount["target"] for mount in of["volumes"] if mount["type"] == "volume"}
    assert len(volumes) == 3
    assert dict.fromkeys(volumes, owner) == {target: made.get(target) for target in volumes}
    first = [other for other, one in composed.services().items() for mount in one.get("volumes", []) if mount.get("source") in
             {mine["source"] for mine in of["volumes"] if mine["type"] == "volume"} and other != name]  # fmt: skip
    assert [] == [other for other in first if not comes_after(other, name)]


def comes_after(other: str, name: str) -> bool:
    """Whether a service is made after another, by itself or by one that it waits for."""
    before = service(other).get("depends_on", {})
    return name in before or any(comes_after(one, name) for one in before)


def test_nobody_is_told_to_signal_a_container_through_the_engine() -> None:
    """For Docker that is a stop by hand: a container with `unless-stopped` would stay away after the next reboot."""
    told = [path for folder in ("docs", "deploy") for path in (ROOT / folder).rglob("*") if path.is_file()]
    wrong = r"docker (?:compose )?kill (?:-s|--signal)[ =]\S*HUP"
    assert [] == [path.name for path in told if re.search(wrong, path.read_text(encoding="utf-8", errors="replace"))]


def test_a_broker_with_other_users_or_names_is_made_anew() -> None:
    """It reads them as it starts, and `up` leaves alone what did not change: the simulator of a later trial would be refused."""
    of = [composed.model(names)["services"]["mosquitto"] for names in ("", "BROKER_NAMES=mqtt.example.org")]
    assert of[0]["labels"] != of[1]["labels"]
    assert "simulator" in of[0]["labels"]["set-up-for"]


def test_a_stop_leaves_time_to_drain() -> None:
    """Docker's own ten seconds would kill it in the middle."""
    seconds = float(service("ingest")["stop_grace_period"].removesuffix("s"))
    assert seconds >= Settings().shutdown_grace_seconds + 5


def test_the_simulator_and_its_user_are_there_only_on_request() -> None:
    """Its user may publish for every institution."""
    assert {"simulator", "simulator-registry"} == {name for name, of in composed.services().items() if of.get("profiles")}
    assert service("broker-setup")["environment"]["COMPOSE_PROFILES"] == "simulator"
