"""Every setting as it stands: its value with secrets hidden, and where that comes from. Variables that are no setting, too."""

import difflib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import BaseModel, SecretStr

from ingest.settings import Settings
from ingest.storage.connection import connection_string

PREFIX: Final = "METERWARDEN_"
HIDDEN: Final = "******"
OTHERS: Final = frozenset(PREFIX + name for name in (
    "OWNER_URL", "SUPERUSER_URL", "READER_URL", "LANG", "QUIET", "STACK_CACHE", "STACK_STATE", "STACK_RUN", "TEST_SEED", "CORPUS",
    "PROMETHEUS_URL", "ALERTMANAGER_URL",
))  # fmt: skip
"""Variables that other parts of the project read."""
FAMILIES: Final = (f"{PREFIX}SIMULATOR_", f"{PREFIX}SERVICE_", f"{PREFIX}PORT")
"""Of the simulator's options, and those that Kubernetes sets for a service of our name."""
CLOSE: Final = 0.7


@dataclass(frozen=True, slots=True)
class Configured:
    """One setting: its variable, its value for people and programs, and `default`, `environment` or `file`."""

    variable: str
    value: Any
    origin: str
    place: str
    """The variable or the file that the value comes from; empty for defaults."""


def variables() -> dict[str, tuple[str, str | None]]:
    """Every variable, and the group and name of its setting."""
    found: dict[str, tuple[str, str | None]] = {}
    for group, details in Settings.model_fields.items():
        model = details.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            found |= {f"{PREFIX}{group}__{name}".upper(): (group, name) for name in model.model_fields}
        else:
            found[f"{PREFIX}{group}".upper()] = (group, None)
    return found


def configured(settings: Settings | None, environment: Mapping[str, str] | None = None) -> Iterator[Configured]:
    """Every setting; where some are wrong (`settings` is None), as the environment gives them, unchecked."""
    given = {name.upper(): text for name, text in (os.environ if environment is None else environment).items()}
    for variable, (group, name) in variables().items():
        place = variable if variable in given else f"{PREFIX}{group}".upper() if name in _in_group(given, group) else ""
        raw = given.get(variable) if place == variable else _in_group(given, group).get(name)
        value = _value(settings, group, name) if settings is not None or not place else raw
        yield Configured(variable, _shown(name, value), "environment" if place else "default", place)
        if name == "password_file":
            yield _password(group, value)


def unknown(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """METERWARDEN_ variables that nothing reads, and the nearest name that something does, or empty."""
    known = {*variables(), *(f"{PREFIX}{group}".upper() for group in Settings.model_fields), *OTHERS}
    given = os.environ if environment is None else environment
    strange = [name for name in given if name.upper().startswith(PREFIX)
               and name.upper() not in known and not name.upper().startswith(FAMILIES)]  # fmt: skip
    return {name: _nearest(name.upper(), known) for name in sorted(strange)}


def _nearest(name: str, known: Iterable[str]) -> str:
    """The known name that looks most like it, or empty; what all names begin with does not count."""
    close = difflib.get_close_matches(name.removeprefix(PREFIX), [one.removeprefix(PREFIX) for one in known], 1, CLOSE)
    return f"{PREFIX}{close[0]}" if close else ""


def _in_group(given: Mapping[str, str], group: str) -> dict[str | None, Any]:
    """What METERWARDEN_<GROUP> gives, as JSON."""
    try:
        found = json.loads(given.get(f"{PREFIX}{group}".upper(), "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _value(settings: Settings | None, group: str, name: str | None) -> Any:
    part = Settings.model_fields[group].default if settings is None else getattr(settings, group)
    return part if name is None else getattr(part, name)


def _shown(name: str | None, value: Any) -> Any:
    """For people and programs; of a connection string everything but the password."""
    if isinstance(value, SecretStr) or name == "url":
        return _without_password(value.get_secret_value() if isinstance(value, SecretStr) else str(value))
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _without_password(url: str) -> str:
    try:
        parts = conninfo_to_dict(connection_string(url))
    except ValueError:  # nobody knows which part of it is secret
        return HIDDEN
    secret = {name: HIDDEN for name in parts if "password" in name}
    return make_conninfo("", **{**parts, **secret})


def _password(group: str, path: Any) -> Configured:
    """The secret itself: whether it is there, never what it is."""
    name = f"{group}.password"
    if not path:
        return Configured(name, None, "default", "")
    try:
        there = bool(Path(path).read_bytes().strip())
    except OSError as error:
        return Configured(name, f"({error.strerror})", "file", str(path))
    return Configured(name, HIDDEN if there else "", "file", str(path))
