"""How long to wait before trying again: full jitter, so that many clients do not return at once."""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from typing import Final

from ingest.tls import explained

CANCEL_AGAIN_SECONDS: Final = 1.0
"""Long enough for a goodbye that is answered."""

Well = Callable[[], None]
"""Says that all is well: the next fault is the first of its row."""

FIRST_SECONDS: Final = 0.2
CEILING_SECONDS: Final = 15.0


def delay_seconds(attempt: int, *, random_share: float | None = None, ceiling_seconds: float = CEILING_SECONDS) -> float:
    """Seconds to wait after the `attempt`-th failure in a row (1, 2, ...)."""
    share = random.random() if random_share is None else random_share
    return share * min(ceiling_seconds, FIRST_SECONDS * 2.0 ** min(attempt, 30))


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
    attempt = 0

    def well() -> None:
        nonlocal attempt
        attempt = 0

    while True:
        try:
            await apart(work(well))
        except* faults as errors:
            attempt += 1
            log.log(level, told, extra={"reason": explained(first_of(errors)), "attempt": attempt})
        await asyncio.sleep(delay_seconds(attempt))


async def apart(work: Coroutine[object, object, None]) -> None:
    """Do `work` in a task of its own, so that being cancelled always wins over what the work raises while it ends.

    A client that fails while it says goodbye, or a TaskGroup of which a child fails while it is cancelled, puts its error in the
    place of the cancellation; a loop that catches the error and tries again would live on for ever. And `asyncio.wait_for` of
    Python 3.11, with which aiomqtt waits, loses a cancellation that comes together with the answer: it is repeated until the work
    has ended.
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
