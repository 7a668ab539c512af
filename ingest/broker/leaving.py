"""When a session may be given up: the broker holds nothing more for it."""

import asyncio
from collections.abc import Callable
from typing import Final

from ingest.broker.session import Session
from ingest.retry import pause

QUIET_ROUNDS: Final = 2
"""Round trips without a message: a broker answers a ping after what it had to send; the second is for those that do not."""
LOOK_SECONDS: Final = 0.05


async def queue_emptied(session: Session, stopping: asyncio.Event, say: Callable[[int], None]) -> bool:
    """Wait until the broker's queue for an unsubscribed session is empty and all of it is decided; False where stopped before."""
    quiet = 0
    while quiet < QUIET_ROUNDS and not stopping.is_set():
        say(session.received)
        if await session.is_emptied():
            quiet += 1
        else:
            quiet = 0
            await pause(stopping, LOOK_SECONDS)
    return quiet == QUIET_ROUNDS
