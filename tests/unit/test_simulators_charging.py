"""Simulated charging: sessions as chargers publish them, and what must come of them."""

import heapq
import json
import sqlite3
from collections.abc import Iterator
from functools import cache
from operator import attrgetter
from pathlib import Path

import pytest

from ingest.formats.status_v1 import decode_charger
from ingest.metering.calendar import HOUR_US, calendar
from ingest.metering.connectors import judge
from ingest.metering.registers import to_integer
from ingest.metering.sessions import Charger, Statement, Version, fold
from schemas.charger import ChargerSession
from schemas.reading import utc
from simulators import charges, charging, faults, fleet, ledger, run, stream
from simulators.charges import Found
from simulators.faults import Rates
from simulators.messages import Message, Outcome
from simulators.month import HOUR_SECONDS, Month
from simulators.notes import Notes
from simulators.run import Run
from simulators.scenario import Scenario

MONTH = Month(2026, 10)
DAYS = 6
RATES = Rates(drop=0.05, duplicates=0.05, late=0.1, reorder=0.05, session_zero_start=0.2, session_wrong_stop=0.2)


NOTHING_WRONG = Rates()


@cache
def built(rates: Rates = NOTHING_WRONG, seed: int = 7) -> Run:
    return run.build(fleet.build(30, seed, MONTH), Scenario(rates=rates), DAYS)


def published(of: Run) -> Iterator[Message]:
    """As `simulate publish` puts them together."""
    sent = heapq.merge(stream.messages(of), charging.messages(of), key=attrgetter("send_at_s"))
    return faults.inject(sent, of.scenario.rates, of.fleet.seed, of.fleet.codes)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
    with ledger.create(path) as book:
        book.know(built(RATES))
        for _ in book.recorded(published(built(RATES))):
            pass
    return path


@pytest.fixture
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    with ledger.read(path) as connection:
        yield connection


def test_the_same_seed_publishes_the_same_sessions() -> None:
    """Byte for byte and in order of time; another seed publishes others."""
    sent = list(charging.messages(built(RATES)))
    assert sent == list(charging.messages(run.build(fleet.build(30, 7, MONTH), Scenario(rates=RATES), DAYS)))
    assert sent != list(charging.messages(built(RATES, 8)))
    assert [message.send_at_s for message in sent] == sorted(message.send_at_s for message in sent)


def test_sessions_and_states_keep_the_contract() -> None:
    """Every statement is a session of the contract, every state one that the service understands."""
    schemes = set()
    for message in charging.messages(built(RATES)):
        if message.outcome is Outcome.STATUS:
            (state,) = decode_charger(message.payload)
            assert (state.status in ("charging", "available"), message.retain) == (True, True)
            schemes.add(state.scheme)
        else:
            assert ChargerSession.model_validate_json(message.payload).session == message.statement.session
    assert schemes == {"native", "ocpp1.6", "cn-platform"}


def test_a_quiet_session_states_what_its_register_shows() -> None:
    """Start and stop of every session that ends within the run, no more energy between than truly flowed and one step."""
    true = {(of.institution, session.session): session for of, session in charging.sessions(built())}
    stops = [each for each in charging.messages(built()) if each.statement and each.statement.stopped_s]
    assert len(stops) == sum(session.stopped_s < built().start_s + DAYS * 24 * HOUR_SECONDS for session in true.values())
    for message in stops:
        stop, session = json.loads(message.payload), true[message.sender, message.statement.session]
        assert abs(stop["stop_register_kwh"] - stop["start_register_kwh"] - session.energy_micro / 1e6) <= 0.011
        assert abs(stop["session_energy_kwh"] - session.energy_micro / 1e6) <= 0.0011


def test_a_charger_has_its_own_faults_at_their_rates() -> None:
    """A start without a register, a stop that is wrong or corrected; updates come without any."""
    said = [message.statement for message in charging.messages(built(RATES)) if message.statement]
    names = {(statement.institution, statement.session) for statement in said}
    from_zero = {(statement.institution, statement.session) for statement in said if statement.start_milli == 0}
    stops = [statement for statement in said if statement.stopped_s is not None]
    assert 0.1 < len(from_zero) / len(names) < 0.3
    assert any(statement.stop_milli > 10**9 for statement in stops)
    assert len(stops) > len({(statement.institution, statement.session) for statement in stops})
    assert any(statement.stopped_s is None and statement.energy_milli is not None for statement in said)


def test_the_ledger_expects_what_the_service_derives(opened: sqlite3.Connection) -> None:
    """Two derivations, written apart, of every session with every fault: lost, late, repeated, wrong."""
    query = """SELECT institution, charger, connector, session, rated_kw, quantum_milli, started_s, start_milli, stopped_s,
                      stop_milli, energy_milli FROM session_statement JOIN charger USING (institution, charger) WHERE published"""
    said: dict[tuple[str, str, int], dict[str, list[Statement]]] = {}
    chargers: dict[tuple[str, str, int], Charger] = {}
    for institution, code, connector, session, rated, quantum, started, start, stopped, stop, energy in opened.execute(query):
        key = (institution, code, connector)
        chargers[key] = Charger(calendar("Asia/Shanghai"), rated * 1000, (Version(0, 1000, quantum, 10**9, HOUR_US),))
        stopped_at = None if stopped is None else stopped * 1_000_000
        statement = Statement(started * 1_000_000, start, stopped_at, stop, energy)
        said.setdefault(key, {}).setdefault(session, []).append(statement)
    derived = [
        Found(
            *key, each.session, each.started_at // 1_000_000, None if each.stopped_at is None else each.stopped_at // 1_000_000,
            each.energy, each.state, each.billable,
        )
        for key, of in said.items()
        for each in judge((fold(key[2], name, statements, chargers[key]) for name, statements in of.items()), chargers[key])
    ]  # fmt: skip
    wanted = list(charges.expected(opened))
    assert sorted(derived, key=str) == sorted(wanted, key=str)
    assert {"open", "closed"} <= {each.state for each in wanted}


def test_every_difference_of_sessions_is_noted(opened: sqlite3.Connection) -> None:
    """Missing, never published, twice, with another energy."""
    wanted = list(charges.expected(opened))
    assert _differences(opened, wanted) == []
    assert _differences(opened, wanted[1:]) == ["charging sessions missing"]
    assert _differences(opened, [*wanted, wanted[0]]) == ["charging sessions twice"]
    assert _differences(opened, [*wanted, wanted[0]._replace(session="other")]) == ["charging sessions never published"]
    assert _differences(opened, [wanted[0]._replace(energy_micro=1), *wanted[1:]]) == ["charging sessions that differ"]


def _differences(connection: sqlite3.Connection, found: list[Found]) -> list[str]:
    notes = Notes()
    assert charges.compare(connection, found, notes) > 30
    return [finding.name for finding in notes.findings()]


def test_a_register_of_the_contract_is_the_integer_the_ledger_notes() -> None:
    """No digit is lost on the way through JSON."""
    for message in charging.messages(built(RATES)):
        if message.statement:
            stated = ChargerSession.model_validate_json(message.payload)
            assert to_integer(stated.start_register_kwh, 3) == message.statement.start_milli
            assert int(utc(stated.started_at).timestamp()) == message.statement.started_s
