"""States of chargers: three schemes in one vocabulary, the code kept, an unknown one shown as such."""

import json

import pytest

from ingest.errors import Reason, Rejection
from ingest.formats.status_v1 import CODES, ConnectorState, decode_charger, decode_gateway
from schemas.charger import ConnectorStatus, StatusScheme
from schemas.reading import utc

SINCE = "2026-03-02T08:02:11+08:00"


def coded(scheme: str, code: str, connector: int = 1) -> bytes:
    """A status in another scheme's code."""
    return json.dumps({"connector": connector, "scheme": scheme, "code": code, "since": SINCE}).encode()


@pytest.mark.parametrize(
    ("scheme", "code", "status"),
    [
        ("ocpp1.6", "Available", "available"), ("ocpp1.6", "Preparing", "occupied"), ("ocpp1.6", "Charging", "charging"),
        ("ocpp1.6", "SuspendedEVSE", "occupied"), ("ocpp1.6", "SuspendedEV", "occupied"), ("ocpp1.6", "Finishing", "occupied"),
        ("ocpp1.6", "Reserved", "reserved"), ("ocpp1.6", "Unavailable", "unavailable"), ("ocpp1.6", "Faulted", "faulted"),
        ("ocpp2.0.1", "Available", "available"), ("ocpp2.0.1", "Occupied", "occupied"), ("ocpp2.0.1", "Reserved", "reserved"),
        ("ocpp2.0.1", "Unavailable", "unavailable"), ("ocpp2.0.1", "Faulted", "faulted"), ("cn-platform", "0", "offline"),
        ("cn-platform", "1", "available"), ("cn-platform", "2", "occupied"), ("cn-platform", "3", "charging"),
        ("cn-platform", "4", "reserved"), ("cn-platform", "255", "faulted"), ("cn-platform", "5", "unknown"),
        ("ocpp2.0.1", "Charging", "unknown"), ("ocpp1.6", "available", "unknown"),
    ],
)  # fmt: skip
def test_a_code_becomes_our_word_and_is_kept(scheme: str, code: str, status: str) -> None:
    """Each code of each scheme; what no table holds is unknown, never guessed."""
    assert decode_charger(coded(scheme, code)) == [ConnectorState(1, utc(SINCE), status, scheme, code)]


def test_every_word_but_unknown_is_in_the_contract() -> None:
    """The tables map to the contract's vocabulary alone."""
    assert {status for table in CODES.values() for status in table.values()} <= set(ConnectorStatus)
    assert set(CODES) == set(StatusScheme)


def test_several_connectors_come_in_one_message() -> None:
    """So that one retained message holds the whole charger."""
    native = {"connector": 2, "status": "available", "since": SINCE}
    whole = {"connector": 0, "scheme": "ocpp1.6", "code": "Faulted", "since": SINCE}
    states = decode_charger(json.dumps({"connectors": [whole, native]}).encode())
    assert [(state.connector, state.status, state.scheme) for state in states] == [
        (0, "faulted", "ocpp1.6"),
        (2, "available", "native"),
    ]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", Reason.EMPTY_PAYLOAD), (b"offline", Reason.MALFORMED_JSON), (b"\xff\xfe", Reason.INVALID_UTF8),
        (b'{"connector": 1, "status": "charging"}', Reason.MISSING_FIELD), (b"[]", Reason.WRONG_TYPE),
        (coded("ocpp1.6", "Available").replace(b"+08:00", b""), Reason.NAIVE_TIME),
        (coded("ocpp1.6", "Available").replace(b"03-02", b"02-30"), Reason.INVALID_TIME),
        (coded("ocpp", "Available"), Reason.WRONG_TYPE), (coded("ocpp1.6", "Available", 65), Reason.WRONG_TYPE),
        (b'{"connectors": []}', Reason.WRONG_TYPE), (b"[" * 10_000, Reason.TOO_DEEP),
    ],
)  # fmt: skip
def test_what_is_no_state_is_refused_with_its_reason(payload: bytes, reason: Reason) -> None:
    """The same words as for readings."""
    with pytest.raises(Rejection) as refused:
        decode_charger(payload)
    assert reason == refused.value.reason


def test_birth_and_will_carry_the_connection_they_speak_of() -> None:
    """The same instant in both."""
    for status in ("online", "offline"):
        state = decode_gateway(json.dumps({"status": status, "connected_at": SINCE}).encode())
        assert (state.status, state.connected_at) == (status, utc(SINCE))
    with pytest.raises(Rejection):
        decode_gateway(b'{"status": "online"}')
