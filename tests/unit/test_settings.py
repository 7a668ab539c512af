"""Settings: frozen, checked before anything starts, wrong ones named, secrets never shown."""

import os
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import quote

import click
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr, ValidationError

from ingest.commands.configured import HIDDEN, configured
from ingest.commands.given import settings_given
from ingest.settings import Part, Settings, unknown_names, wrong_settings
from ingest.storage.connection import NOT_ENCODED, connection_string
from schemas.topics import INTAKE_FILTERS

SECRET = "hunter2-and-more"
Environment = Callable[..., None]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Environment:
    """An environment with nothing of ours in it, and a way to fill it."""
    for name in [name for name in os.environ if name.upper().startswith("METERWARDEN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")

    def fill(**settings: str) -> None:
        for name, text in settings.items():
            monkeypatch.setenv(f"METERWARDEN_{name}", text)

    return fill


def _wrong() -> list[str]:
    with pytest.raises(ValidationError) as error:
        Settings()
    return wrong_settings(error.value).splitlines()


def _refusal() -> list[str]:
    """What the command line says instead of starting."""
    with pytest.raises(click.ClickException) as refused:
        settings_given()
    first, *lines = refused.value.message.splitlines()
    assert "wrong settings, nothing was started:" == first
    return lines


def test_the_defaults_are_good() -> None:
    """Without any setting the service can start."""
    settings = Settings()

    assert INTAKE_FILTERS == settings.broker.filters
    assert settings.broker.receive_maximum >= 2 * settings.batch.messages


def test_the_environment_reaches_every_part(environment: Environment) -> None:
    """`__` stands between the parts; numbers, lists and switches are understood."""
    environment(BROKER__HOST="mqtt.example", BROKER__PORT="8883", BROKER__FILTERS='["metering/I1/#"]', BATCH__AGE_SECONDS="0.25",
                SETTLEMENT__ENABLED="false", HTTP__PORT="0", SHUTDOWN_GRACE_SECONDS="5")  # fmt: skip
    settings = Settings()
    broker = settings.broker

    assert ("mqtt.example", 8883, ("metering/I1/#",)) == (broker.host, broker.port, broker.filters)
    assert (0.25, False, 0, 5) == (
        settings.batch.age_seconds,
        settings.settlement.enabled,
        settings.http.port,
        settings.shutdown_grace_seconds,
    )


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("BROKER__PORT", "70000", "less than or equal to 65535"),
        ("BROKER__PORT", "mqtt", "valid integer"),
        ("BROKER__CLIENT_IDENTIFIER", "", "at least 1 character"),
        ("BROKER__SHARE_GROUP", "a/b", "pattern"),
        ("BROKER__SESSION_EXPIRY_SECONDS", "60", "greater than or equal to 3600"),
        ("BROKER__SESSION_EXPIRY_SECONDS", "4294967295", "less than or equal to 4294967294"),
        ("BROKER__RECEIVE_MAXIMUM", "65536", "less than or equal to 65535"),
        ("BATCH__MESSAGES", "0", "greater than or equal to 1"),
        ("BATCH__AGE_SECONDS", "0", "greater than 0"),
        ("BATCH__AGE_SECONDS", "nan", "finite number"),
        ("BATCH__AGE_SECONDS", "inf", "finite number"),
        ("SHUTDOWN_GRACE_SECONDS", "inf", "finite number"),
        ("BROKER__CONNECT_TIMEOUT_SECONDS", "inf", "finite number"),
        ("INTAKE__ACCEPT_DAYS_BACK", "0", "greater than 0"),
        ("INTAKE__ACCEPT_DAYS_BACK", "inf", "less than or equal to 3650"),
        ("QUOTA__WARNING_RATIO", "80", "less than 1"),
        ("QUOTA__COMPLETENESS", "1.1", "less than or equal to 1"),
        ("SETTLEMENT__ENABLED", "perhaps", "valid boolean"),
        ("SHUTDOWN_GRACE_SECONDS", "-1", "greater than 0"),
        ("DATABASE__CONNECT_TIMEOUT_SECONDS", "1", "greater than or equal to 2"),
        ("HTTP__PORT", "-1", "greater than or equal to 0"),
    ],
)
def test_a_wrong_setting_gives_its_name_and_what_is_allowed(environment: Environment, name: str, text: str, allowed: str) -> None:
    """As it stands in the environment, so that it can be found there."""
    environment(**{name: text})
    [line] = _wrong()

    assert line.startswith(f"METERWARDEN_{name}: ")
    assert allowed in line


def test_a_misspelt_setting_of_a_part_is_refused_by_name(environment: Environment) -> None:
    """It is not quietly left at its default."""
    environment(BROKER__HOTS="mqtt.example")

    assert ["METERWARDEN_BROKER__HOTS: Extra inputs are not permitted"] == _wrong()


def test_all_wrong_settings_are_named_at_once(environment: Environment) -> None:
    """One restart mends them."""
    environment(BROKER__PORT="0", BATCH__MESSAGES="x", HTTP__PORT="99999")
    names = [line.partition(":")[0] for line in _wrong()]

    assert ["METERWARDEN_BROKER__PORT", "METERWARDEN_BATCH__MESSAGES", "METERWARDEN_HTTP__PORT"] == names


@pytest.mark.parametrize(
    ("messages", "receive_maximum", "good"), [(500, 1000, True), (500, 999, False), (1, 1, False), (32767, 65535, True)]
)
def test_the_receive_maximum_holds_two_batches(environment: Environment, messages: int, receive_maximum: int, good: bool) -> None:
    """With less, a batch could never fill while another one is written."""
    environment(BATCH__MESSAGES=str(messages), BROKER__RECEIVE_MAXIMUM=str(receive_maximum))
    if good:
        assert receive_maximum == Settings().broker.receive_maximum
    else:
        [line] = _wrong()
        assert line.startswith(f"broker.receive_maximum ({receive_maximum}) must be at least twice batch.messages ({messages})")


def test_settings_are_frozen() -> None:
    """What was checked at the start holds until the end, in every part."""
    settings = Settings()
    parts = [getattr(settings, name) for name in Settings.model_fields]

    for part in [settings, *(part for part in parts if isinstance(part, Part))]:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(part, next(iter(type(part).model_fields)), None)


def test_secrets_are_not_shown(environment: Environment) -> None:
    """Neither printed, nor logged as repr, nor serialised."""
    environment(DATABASE__URL=f"postgresql://meterwarden:{SECRET}@db/meterwarden")
    settings = Settings()

    assert isinstance(settings.database.url, SecretStr)
    assert SECRET in settings.database.url.get_secret_value()
    for shown in (repr(settings), str(settings), repr(settings.database), f"{settings.model_dump()}", settings.model_dump_json()):
        assert SECRET not in shown


@pytest.mark.parametrize(
    "wrong",
    [
        {"DATABASE__CONNECT_TIMEOUT_SECONDS": "1"},
        {"DATABASE__PASWORD": SECRET},
        {"DATABASE": f'{{"url": {{"password": "{SECRET}"}}}}'},
        {"BROKER__PASSWORD": SECRET},
        {"BROKER__PORT": SECRET},
    ],
    ids=str,
)
def test_secrets_are_not_shown_when_something_is_wrong_either(environment: Environment, wrong: dict[str, str]) -> None:
    """A secret written into the wrong place does not end up in the log that says so."""
    environment(**({} if "DATABASE" in wrong else {"DATABASE__URL": f"postgresql://meterwarden:{SECRET}@db/meterwarden"}), **wrong)
    with pytest.raises(ValidationError) as error:
        Settings()

    assert SECRET not in wrong_settings(error.value)
    assert SECRET not in str(error.value)


def test_the_accept_window_in_microseconds(environment: Environment) -> None:
    """Days back and minutes ahead, as intake takes them."""
    environment(INTAKE__ACCEPT_DAYS_BACK="1.5", INTAKE__ACCEPT_MINUTES_AHEAD="0.5")
    intake = Settings().intake

    assert (129_600_000_000, 30_000_000) == (intake.back_us, intake.ahead_us)


def test_a_list_that_is_no_json_is_refused_with_how_lists_are_written(environment: Environment) -> None:
    """`METERWARDEN_BROKER__FILTERS=metering/#` is what everyone writes first."""
    environment(BROKER__FILTERS="metering/#")

    assert ['METERWARDEN_BROKER__FILTERS: write it as ["a", "b"]'] == _refusal()


def test_a_secret_that_is_no_json_is_not_shown(environment: Environment) -> None:
    """A URL given for the whole group is refused without being repeated."""
    environment(DATABASE=f"postgresql://meterwarden:{SECRET}@db/meterwarden")

    assert SECRET not in "".join(_refusal())


@given(st.text("@/:?#%,[]=&ab1", max_size=12).map(lambda drawn: f"{drawn}{SECRET}"))
@example(f"p@{SECRET}")
@example(f"p/{SECRET}")
@example(f"{SECRET}/p")
@example(f"1/{SECRET}")
@example(f"p@x?{SECRET}")
@example(f"p/x?{SECRET}")
@example(f"%zz{SECRET}")
def test_a_password_in_a_connection_string_is_read_as_one_or_the_string_is_refused(password: str) -> None:
    """libpq would take a part of it for the host, whose name then stands in every error; encoded, any is taken."""
    with suppress(ValueError):
        parts = conninfo_to_dict(connection_string(f"postgresql://u:{password}@db.example.org:5432/metering"))
        assert ("u", "db.example.org", "5432", "metering") == tuple(parts[name] for name in ("user", "host", "port", "dbname"))
    parts = conninfo_to_dict(connection_string(f"postgresql://u:{quote(password, safe='')}@db.example.org/metering"))
    assert (password, "db.example.org") == (parts["password"], parts["host"])


@pytest.mark.parametrize("mark", ["@", "/", "@x?", "%"])
def test_a_password_that_is_not_percent_encoded_is_refused_with_how_to_and_not_shown(environment: Environment, mark: str) -> None:
    """Before anything is started, by its setting; `config show` hides all of such a string."""
    url = f"postgresql://u:p{mark}{SECRET}@db/meterwarden"
    environment(DATABASE__URL=url)

    [said] = _refusal()
    assert f"METERWARDEN_DATABASE__URL: {NOT_ENCODED}" == said
    assert HIDDEN == next(one.value for one in configured(None) if one.variable == "METERWARDEN_DATABASE__URL")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u@[::1]:5432,h2:5433/m",
        "postgresql://u@%2Fvar%2Frun%2Fpostgresql/m",
        "postgresql:///m?host=/tmp&user=a@b",
        "host=a,b port=1,",
        "host=a user=u password=p@s",
        "postgresql://u:p:?#s@db/m",
    ],
)
def test_a_connection_string_that_libpq_reads_as_it_is_meant_is_taken(url: str) -> None:
    """Several hosts, addresses, sockets, keywords, and a password of which nothing is mistaken."""
    assert url == connection_string(url)


@pytest.mark.parametrize("host", [f"mqtt://u:{SECRET}@broker", f"u:{SECRET}@broker", f"broker:{SECRET}", "a b", "broker:1883"])
def test_a_broker_that_is_given_as_a_url_is_refused_and_not_shown(environment: Environment, host: str) -> None:
    """It would stand in the log at every attempt to connect."""
    environment(BROKER__HOST=host)

    said = "must be a host name or address alone; port, user and password file have settings of their own"
    assert [f"METERWARDEN_BROKER__HOST: {said}"] == _refusal()


@pytest.mark.parametrize("host", ["mqtt.example.org", "192.0.2.1", "::1", "fe80::1%eth0", "broker"])
def test_a_broker_is_a_name_or_an_address(environment: Environment, host: str) -> None:
    """Of version 6, too."""
    environment(BROKER__HOST=host)

    assert host == Settings().broker.host


@pytest.mark.parametrize("url", [f"mysql:{SECRET}@db", f"postgresql://u:{SECRET}@[db", f"password='{SECRET}"])
def test_a_connection_string_that_is_none_is_refused_and_not_shown(environment: Environment, url: str) -> None:
    """Before anything is started: the driver would repeat it at every attempt, and the log with it."""
    environment(DATABASE__URL=url)

    assert ["METERWARDEN_DATABASE__URL: not a connection string; write it as postgresql://USER@HOST:PORT/DATABASE"] == _refusal()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("METERWARDEN_BATCHES__MESSAGES", "; did you mean METERWARDEN_BATCH__?"),
        ("METERWARDEN_BORKER__HOST", "; did you mean METERWARDEN_BROKER__?"),
        ("METERWARDEN_DATABSE__PASSWORD", "; did you mean METERWARDEN_DATABASE__?"),
        ("METERWARDEN_KAFKA__HOST", ""),
        ("METERWARDEN_BROKER_HOST", "; did you mean METERWARDEN_BROKER__HOST?"),
        ("METERWARDEN_DATABASE_PASSWORD_FILE", "; did you mean METERWARDEN_DATABASE__PASSWORD_FILE?"),
    ],
)
def test_a_misspelt_part_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, meant: str) -> None:
    """It is not quietly dropped; what was meant is said where it can be guessed, what it was set to never."""
    monkeypatch.setenv(name, SECRET)

    assert [f"{name}: there is no such setting{meant}"] == _refusal()


def test_all_misspelt_parts_are_named_at_once() -> None:
    """In order, whatever the order of the environment."""
    names = [line.partition(":")[0] for line in unknown_names({"METERWARDEN_Z__A": "", "METERWARDEN_A__B": ""})]

    assert ["METERWARDEN_A__B", "METERWARDEN_Z__A"] == names


def test_names_that_are_no_misspelt_settings_are_left_alone() -> None:
    """Settings as they should be, those of other commands, and what belongs to others."""
    names = [*(f"METERWARDEN_{part.upper()}__X" for part in Settings.model_fields), "METERWARDEN_OWNER_URL", "METERWARDEN_QUIET",
             "METERWARDEN_SIMULATOR_INSTITUTIONS", "PATH", "OTHER__NAME"]  # fmt: skip

    assert [] == unknown_names(dict.fromkeys(names, ""))
    assert [] == unknown_names({"METERWARDEN_BROKER_PORT": "tcp://10.0.0.7:1883"})  # Kubernetes, of a service meterwarden-broker


@pytest.mark.parametrize(("uncommitted", "good"), [("4194304", True), ("4194303", False), ("1024", False)])
def test_the_socket_is_not_stopped_before_a_batch_is_full(environment: Environment, uncommitted: str, good: bool) -> None:
    """With less room than one batch it would never fill."""
    environment(BATCH__BYTES="4194304", BATCH__UNCOMMITTED_BYTES=uncommitted)
    if good:
        assert int(uncommitted) == Settings().batch.uncommitted_bytes
    else:
        expected = "METERWARDEN_BATCH: uncommitted_bytes must not lie below bytes, or a batch never fills"
        assert [expected] == _wrong()


def test_readings_are_kept_as_long_as_late_ones_may_come(environment: Environment) -> None:
    """The accept window and the second gap limit; one day less is refused, and by default they are kept for ever."""
    assert Settings().storage.raw_retention_days is None
    environment(STORAGE__RAW_RETENTION_DAYS="48")
    assert 48 == Settings().storage.raw_retention_days

    environment(STORAGE__RAW_RETENTION_DAYS="47")
    assert [("storage.raw_retention_days (47) must be at least intake.accept_days_back and 3 days (48), or a repeated reading is "
            "stored again")] == _wrong()  # fmt: skip
