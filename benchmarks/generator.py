"""The load generator's process: one JSON argument says what to publish, `ready` that it can, a line on stdin lets it begin.

At the end a line of JSON says how fast it was and what it could have done at most.
"""

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from schemas import topics
from simulators.load import EPOCH, INSTITUTION, Load, generate, meter_code
from simulators.session import Broker

STRIDE = 7_919
"""A prime: readings of one meter after another would find all they need in the processor's caches."""


@dataclass(frozen=True, slots=True)
class Stamped(Load):
    """Readings of one meter after another, taken at the moment they are handed over to be written: the publisher's stamp."""

    def published(self) -> Iterator[tuple[str, bytes]]:
        """Topic and payload of every message."""
        names = [topics.meter_reading(INSTITUTION, "electricity", meter_code(n)) for n in range(1, self.meters + 1)]
        for number in range(self.messages):
            at = datetime.now(UTC)
            shown = (at - EPOCH).total_seconds()
            yield names[number % self.meters], b'{"read_at":"%s","energy_import_kwh":%.2f}' % (at.isoformat().encode(), shown)


def fleet_code(meters: int) -> str:
    """The institution of a fleet of so many meters: several are up at once, each heard by a service of its own."""
    return f"FLEET{meters}"


@dataclass(frozen=True, slots=True)
class Spread(Load):
    """One reading each of meters far apart from each other in the registry of their fleet."""

    def published(self) -> Iterator[tuple[str, bytes]]:
        """Topic and payload of every message."""
        institution = fleet_code(self.meters)
        payloads = (payload for _, payload in Load(self.messages, 1, self.meters, self.start).published())
        for number, payload in enumerate(islice(payloads, self.messages)):
            meter = number * STRIDE % self.meters + 1
            yield topics.meter_reading(institution, "electricity", meter_code(meter)), payload


KINDS = {"load": Load, "stamped": Stamped, "spread": Spread}


def main(kinds: Mapping[str, type[Load]]) -> None:
    """Publish a load when told to, and say how fast."""
    asked = json.loads(sys.argv[1])
    password = Path(asked["password_file"]).read_text(encoding="utf-8").strip()
    broker = Broker("127.0.0.1", asked["port"], "simulator", password)
    start = datetime.fromisoformat(asked["start"])
    load = kinds[asked["kind"]](asked["messages"], asked["readings_each"], asked["meters"], start)
    print("ready", flush=True)
    sys.stdin.readline()
    measured = asyncio.run(generate(load, broker, rate=asked["rate"]))
    print(json.dumps({
        "messages": measured.messages,
        "messages_per_s": measured.messages_per_second,
        "ceiling_per_s": measured.ceiling_per_second,
        "cpu_us": measured.cpu_seconds / measured.messages * 1e6,
        "puback_p50_ms": measured.puback_p50_ms,
        "puback_p99_ms": measured.puback_p99_ms,
    }), flush=True)  # fmt: skip
    sys.stdin.readline()  # stays until its CPU time is read


if __name__ == "__main__":
    main(KINDS)
