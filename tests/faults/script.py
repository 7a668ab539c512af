"""Messages that a test writes by hand, with their ledger: to `judge` as good as a stream."""

import json
from typing import Any

from tests.faults.stream import Key, Ledger, Sent
from tests.published import at


class Script:
    """Notes every message it makes; publish every one of them."""

    def __init__(self) -> None:
        self.ledger = Ledger()

    def reading(self, institution: str, meter: str, second: int, wh: int, *, rejected: bool = False) -> Sent:
        """A reading on an electricity meter's own topic."""
        payload = {"read_at": at(second).isoformat(), "energy_import_kwh": wh / 1000}
        values = [] if rejected else [(key_of(meter, second), wh)]
        return self.message(f"metering/{institution}/electricity/{meter}/reading", payload, values, rejected=rejected)

    def message(self, topic: str, payload: Any, values: list[tuple[Key, int]], *, rejected: bool = False) -> Sent:
        """Any message, its payload as bytes or as what becomes JSON."""
        sent = sent_of(topic, payload)
        self.ledger.note(sent, values, rejected=rejected)
        return sent


def key_of(meter: str, second: int) -> Key:
    """An electricity meter's register at a second after `RECENT`."""
    return Key(meter, "energy_import_kwh", second)


def sent_of(topic: str, payload: Any) -> Sent:
    """A message as it is published; not noted anywhere."""
    return Sent(topic, payload if isinstance(payload, bytes) else json.dumps(payload).encode())
