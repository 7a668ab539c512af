"""A cancellation that an error covers is not lost."""

import asyncio

import pytest

from ingest.retry import still_wanted


async def test_a_client_that_fails_while_it_says_goodbye_does_not_live_on() -> None:
    """Its error takes the cancellation's place, and a loop that tries again for ever would never end."""

    async def tries_for_ever() -> None:
        while True:
            try:
                try:
                    await asyncio.sleep(3600)
                finally:
                    raise ConnectionError("no answer to the goodbye")
            except ConnectionError:
                still_wanted()

    task = asyncio.create_task(tries_for_ever())
    await asyncio.sleep(0)
    task.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await task
