"""How long to wait before trying again: full jitter, so that many clients do not return at once."""

import asyncio
import random
from typing import Final

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


def still_wanted() -> None:
    """Raise the cancellation that an error has covered: a client that fails while it says goodbye would else live on for ever.

    Not beside a TaskGroup of the same task: Python 3.11 leaves `cancelling()` above zero when one of its children failed.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
