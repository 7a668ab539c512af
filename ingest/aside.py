"""A channel that cannot be settled is set aside, so that it holds up nobody else.

A round that fails by an error that is not the world's is tried by halves of its channels, each try undone, down to those that fail
alone. They are settled no more, and what is marked of them waits; every hour, and at every start, they are tried again.
"""

import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from ingest.errors import Unavailable
from ingest.metrics import Metrics
from ingest.settlement import Round
from ingest.storage import aside as store
from ingest.storage.connection import Connection, is_worlds
from ingest.storage.settlement import Marked, take_marks

log = logging.getLogger(__name__)

TRY_AGAIN: Final = timedelta(hours=1)
"""Ours: a try costs a round that fails and a small one for each that is aside. Measured, 2,000 channels with a reading each: 1.2 s,
and 1.8 s with twenty of them aside. To find those twenty at first took 257 tries and 106 s, to find one 25 and 9 s.
"""

MOST: Final = 20
"""Where more fail, it is the program or the database that does, and no register's readings. Ours."""

Settle = Callable[..., Awaitable[Round]]
"""`settle_round` but for its last two arguments."""


class Aside:
    """The channels that are set aside; all are tried again when a settler begins."""

    def __init__(self, metrics: Metrics) -> None:
        """None is."""
        self._metrics = metrics
        self._tried_at: datetime | None = None
        self._taken_back: set[int] = set()
        self.channels: set[int] = set()

    async def try_again(self, connection: Connection, now: datetime) -> None:
        """Where it is time, mark all that is set aside again; `connection` is idle, before and after."""
        if self._tried_at is None or now - self._tried_at >= TRY_AGAIN:
            self._taken_back = await store.take_back(connection)
            self._tried_at = now
            self.channels.clear()
            self._metrics.channels_aside.set(0)

    async def round(self, connection: Connection, settle: Settle, channel_hours: int, now: datetime) -> Round:
        """A round, and again without the channels by which it failed. Raises Unavailable where none is at fault, or too many."""
        while True:
            try:
                return await settle(aside=self.channels)
            except Exception as error:
                if is_worlds(error):
                    raise
                await self._blame(connection, error, settle, channel_hours, now)

    async def _blame(self, connection: Connection, error: Exception, settle: Settle, channel_hours: int, now: datetime) -> None:
        await connection.rollback()
        marks = await take_marks(connection, channel_hours)
        await connection.rollback()
        suspects = [channel for channel in marks if channel not in self.channels]
        search = partial(_culprits, connection, settle=partial(settle, aside=self.channels), most=MOST - len(self.channels))
        found = await search([[channel] for channel in suspects if channel in self._taken_back]) or await search(_halves(suspects))
        if not found:
            log.error("a round of settlement failed, and no single channel is why, or too many are", exc_info=error)
            raise Unavailable(f"settlement: {_first_line(error)}") from error
        for channel, its_error in found.items():
            await self._set_aside(connection, channel, marks[channel], its_error, now)

    async def _set_aside(self, connection: Connection, channel: int, marked: Marked, error: Exception, now: datetime) -> None:
        await store.set_aside(connection, channel, marked, _first_line(error), now)
        self.channels.add(channel)
        self._metrics.channels_aside.set(len(self.channels))
        log.error("a channel cannot be settled and was set aside", exc_info=error, extra={"channel": channel})


async def _culprits(connection: Connection, parts: list[Sequence[int]], settle: Settle, most: int) -> dict[int, Exception]:
    """The channels of some parts that fail alone, and how, by halves; none where each half of every part that fails succeeds."""
    found: dict[int, Exception] = {}
    while parts and len(found) < most:
        part = parts.pop()
        error = await _error_of(connection, part, settle)
        if error is not None and len(part) == 1:
            found[part[0]] = error
        elif error is not None:
            parts += _halves(part)
    return found


def _halves(channels: Sequence[int]) -> list[Sequence[int]]:
    """The second half, if there is one, then the first."""
    middle = (len(channels) + 1) // 2
    return [half for half in (channels[middle:], channels[:middle]) if half]


async def _error_of(connection: Connection, channels: Collection[int], settle: Settle) -> Exception | None:
    try:
        await settle(only=frozenset(channels))
    except Exception as error:
        if is_worlds(error):
            raise
        await connection.rollback()
        return error
    return None


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
