"""A scenario: the rates of all faults and the gateways' outages, from a TOML file; four are shipped.

Every key may be left out; what is not known is refused by name.
"""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from simulators.faults import Rates
from simulators.gateway import Outages

SHIPPED: Final = Path(__file__).parent / "scenarios"
DEFAULT: Final = "messy"
OUTAGE_KEYS: Final = {
    "offline": "rate",
    "offline_hours": "hours",
    "blackout": "blackout",
    "blackout_from_hour": "blackout_from_hour",
    "blackout_hours": "blackout_hours",
}
"""Key of `[gateways]` -> field of `Outages`."""


class ScenarioFault(ValueError):  # noqa: N818 - says what is at fault
    """A scenario that cannot be used; the text says what to change."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What goes wrong, and how often."""

    name: str = "none"
    description: str = "nothing goes wrong"
    rates: Rates = field(default_factory=Rates)
    outages: Outages = field(default_factory=Outages)

    def with_rates(self, **given: float | None) -> "Scenario":
        """The same with some rates replaced; None keeps the scenario's."""
        changes = {name: rate for name, rate in given.items() if rate is not None}
        return replace(self, rates=replace(self.rates, **changes))


def shipped() -> list[str]:
    """The names of the scenarios that come with the simulator."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def load(name: str) -> Scenario:
    """A shipped scenario by name, or the one in a file. Raises ScenarioFault."""
    path = SHIPPED / f"{name}.toml" if name in shipped() else Path(name)
    try:
        return parse(path.read_text(encoding="utf-8"), path.stem)
    except OSError as error:
        names = ", ".join(shipped())
        raise ScenarioFault(f"no scenario {name!r}{_meant(name, shipped())}; shipped are {names}, or name a TOML file") from error


def parse(text: str, name: str) -> Scenario:
    """The scenario of a TOML text. Raises ScenarioFault."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioFault(f"{name} is not TOML: {error}") from error
    known = {"description": str, "faults": dict, "gateways": dict}
    for key, found in tables.items():
        _expect(key, known, "scenario")
        if not isinstance(found, known[key]):
            raise ScenarioFault(f"{key} must be {'a text' if known[key] is str else f'a table, [{key}]'}")
    rates = _rates(tables.get("faults", {}))
    return Scenario(name, tables.get("description", ""), rates, _outages(tables.get("gateways", {})))


def _rates(table: Mapping[str, Any]) -> Rates:
    names = [each.name for each in fields(Rates)]
    for key, rate in table.items():
        _expect(key, names, "[faults]")
        _expect_rate(key, rate)
    return Rates(**table)


def _outages(table: Mapping[str, Any]) -> Outages:
    for key, found in table.items():
        _expect(key, OUTAGE_KEYS, "[gateways]")
        _expect_outage(key, found)
    given: dict[str, Any] = {OUTAGE_KEYS[key]: tuple(found) if isinstance(found, list) else found for key, found in table.items()}
    return Outages(**given)


def _expect_outage(key: str, found: object) -> None:
    match key:
        case "offline" | "blackout":
            _expect_rate(key, found)
        case "offline_hours":
            if not isinstance(found, list) or [type(each) for each in found] != [int, int] or not 1 <= found[0] <= found[1]:
                raise ScenarioFault(f"offline_hours = {found!r}: give the fewest and the most hours, such as [2, 30]")
        case _:
            if type(found) is not int or found < 1:
                raise ScenarioFault(f"{key} = {found!r}: give whole hours, at least 1")


def _expect_rate(key: str, rate: object) -> None:
    if type(rate) not in (int, float) or not 0 <= rate <= 1:  # type: ignore[operator]
        raise ScenarioFault(f"{key} = {rate!r}: a rate is a number from 0 to 1")


def _expect(key: str, known: Any, where: str) -> None:
    if key not in known:
        raise ScenarioFault(f"{where}: no key {key!r}{_meant(key, known)}; known are {', '.join(known)}")


def _meant(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {close[0]!r}?" if close else ""
