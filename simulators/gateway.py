"""A gateway: it collects readings into batches, goes offline for hours, and sends its backlog in a burst on return.

Birth and will go to its status topic, retained. A broker publishes a will when a connection breaks; here all gateways share a
few connections, so the simulator publishes each will itself, at the instant the broker would.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from schemas import topics
from schemas.gateway import GatewayStatus
from simulators.messages import Fate, Message, Outcome
from simulators.month import HOUR_SECONDS, local

DAY_HOURS: Final = 24
KEEP_ALIVE_S: Final = 90
"""So long after the last sign of life a broker publishes a will: one and a half keep-alives of a minute."""


@dataclass(frozen=True, slots=True)
class Outages:
    """When gateways are offline: a chance a gateway and day for some hours, and one blackout that strikes many at once."""

    rate: float = 0.0
    hours: tuple[int, int] = (2, 30)
    blackout: float = 0.0
    """Share of the gateways that the blackout strikes."""
    blackout_from_hour: int = 30
    blackout_hours: int = 20

    def windows(self, number: int, hours: int, seed: int) -> tuple[range, ...]:
        """The hours a gateway is offline, in order and apart: it is back at the end of each range."""
        rng = Random(f"offline/{seed}/{number}")
        windows = [self._blackout()] if rng.random() < self.blackout else []
        for day_start in range(0, hours, DAY_HOURS):
            struck, start, lasts = rng.random() < self.rate, rng.randrange(DAY_HOURS), rng.randint(*self.hours)
            if struck:
                windows.append(range(day_start + start, day_start + start + lasts))
        return _merged(windows, hours)

    def _blackout(self) -> range:
        return range(self.blackout_from_hour, self.blackout_from_hour + self.blackout_hours)


def _merged(windows: list[range], hours: int) -> tuple[range, ...]:
    """Overlapping windows as one; the end of the simulated time brings every gateway back, so that nothing is lost."""
    clipped = (range(max(window.start, 1), min(window.stop, hours)) for window in windows)
    merged: list[range] = []
    for window in sorted(filter(len, clipped), key=lambda window: window.start):
        if merged and window.start <= merged[-1].stop:
            merged[-1] = range(merged[-1].start, max(merged[-1].stop, window.stop))
        else:
            merged.append(window)
    return tuple(merged)


@dataclass(frozen=True, slots=True)
class Gateway:
    """One institution's gateway: whose it is, and when it is offline, in hours since `start_s`."""

    institution: str
    code: str
    start_s: int
    delay_s: int
    offline: tuple[range, ...] = ()

    def sent(self, collected: Iterable[list[Message]]) -> Iterator[list[Message]]:
        """The messages of every hour as they go out: those of an offline hour wait for the return."""
        starts = {window.start: window for window in self.offline}
        backlog: list[Message] = []
        back_at = 0
        for hour, messages in enumerate(collected):
            if (window := starts.get(hour)) is not None:
                yield [self._will(hour)]
                back_at = window.stop
            elif hour >= back_at:
                yield [*self._births(hour, back_at), *self._returned(backlog, hour), *messages]
                backlog = []
                continue
            else:
                yield []
            backlog += messages

    def _births(self, hour: int, back_at: int) -> Iterator[Message]:
        if hour in (0, back_at):
            yield self._status("online", hour, self._connected_s(hour))

    def _will(self, hour: int) -> Message:
        """The same `connected_at` as the birth before it."""
        connected = max((window.stop for window in self.offline if window.stop <= hour), default=0)
        will = self._status("offline", hour, self._connected_s(connected))
        return replace(will, send_at_s=will.send_at_s + KEEP_ALIVE_S)

    def _returned(self, backlog: list[Message], hour: int) -> Iterator[Message]:
        at = self._connected_s(hour)
        return (replace(message, send_at_s=at, fate=Fate.BACKLOG) for message in backlog)

    def _connected_s(self, hour: int) -> int:
        return self.start_s + hour * HOUR_SECONDS + self.delay_s

    def _status(self, status: str, hour: int, connected_s: int) -> Message:
        payload = GatewayStatus(status=status, connected_at=local(connected_s).isoformat())  # type: ignore[arg-type]
        return Message(
            topic=topics.gateway_status(self.institution, self.code),
            payload=payload.model_dump_json().encode(),
            sender=self.institution,
            send_at_s=self._connected_s(hour),
            readings=(),
            outcome=Outcome.STATUS,
            retain=True,
        )
