"""How long to wait before trying again: full jitter, so that many clients do not return at once.

A server that lets us in and then drops us is no better than one that is away: only what has been well for `GOOD_SECONDS` ends a
row of faults. So whoever drops us sooner meets waits of up to `CEILING_SECONDS`, and nobody is asked more than twelve times a
minute for long.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine
from typing import Final

from ingest.tls import explained

CANCEL_AGAIN_SECONDS: Final = 1.0
"""Long enough for a goodbye that is answered."""

Well = Callable[[], None]
"""Says that all is well; the row of faults ends once that has lasted."""

FIRST_SECONDS: Final = 0.2
CEILING_SECONDS: Final = 15.0
GOOD_SECONDS: Final = 5.0
"""All has to be well for so long before a fault is the first of its row again."""


def delay_seconds(attempt: int, *, random_share: float | None = None, ceiling_seconds: float = CEILING_SECONDS) -> float:
    """Seconds to wait after the `attempt`-th failure in a row (1, 2, ...)."""
    share = random.random() if random_share is None else random_share
    return share * min(ceiling_seconds, FIRST_SECONDS * 2.0 ** min(attempt, 30))


class Row:
    """Faults in a row."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """None yet; `clock` gives seconds."""
        self._clock = clock
        self._attempt = 0
        self._well_since: float | None = None

    def well(self) -> None:
        """All is well from now on, until the next fault."""
        if self._well_since is None:
            self._well_since = self._clock()

    def fault(self) -> int:
        """Note a fault; returns the how manyth of its row it is: 1, 2, ..."""
        was_good = self._well_since is not None and self._clock() - self._well_since >= GOOD_SECONDS
        self._well_since = None
        self._attempt = 1 if was_good else self._attempt + 1
        return self._attempt


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    """Wait for a while, or until the process is stopped."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return


async def persist_in(
    work: Callable[[Well], Coroutine[object, object, None]],
    faults: tuple[type[Exception], ...],
    log: logging.Logger,
    told: str,
    level: int = logging.WARNING,
) -> None:
    """Do `work` until cancelled: again after each of the faults, however grouped, waiting longer for each in a row."""
    row, attempt = Row(), 0
    while True:
        try:
            await apart(work(row.well))
        except* faults as errors:
            attempt = row.fault()
            log.log(level, told, extra={"reason": explained(first_of(errors)), "attempt": attempt})
        await asyncio.sleep(delay_seconds(attempt))


async def apart(work: Coroutine[object, object, None]) -> None:
    """Do `work` in a task of its own, so that being cancelled always wins over what the work raises while it ends.

    A client that fails while it says goodbye, or a TaskGroup of which a child fails while it is cancelled, puts its error in the
    place of the cancellation; a loop that catches the error and tries again would live on for ever. And `asyncio.wait_for` of
    Python 3.11, with which aiomqtt waits, loses a cancellation that comes together with the answer: it is repeated until the work
    has ended. A TaskGroup passes on the first one alone, so its tasks that use aiomqtt are each apart.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=CANCEL_AGAIN_SECONDS)
        if not task.cancelled():
            task.exception()  # looked at, so that nobody calls it forgotten
        raise
    task.result()


def first_of(errors: BaseException) -> BaseException:
    """The first fault, from within however many groups."""
    while isinstance(errors, BaseExceptionGroup):
        errors = errors.exceptions[0]
    return errors
