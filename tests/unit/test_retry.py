"""A cancellation that an error covers is not lost; a fault is tried again."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress

import pytest

from ingest import retry
from ingest.retry import CEILING_SECONDS, GOOD_SECONDS, Row, Well, delay_seconds, persist_in

log = logging.getLogger(__name__)

Work = Callable[[Well], Coroutine[object, object, None]]


@asynccontextmanager
async def deaf_client() -> AsyncIterator[None]:
    """Gets no answer to its goodbye."""
    try:
        yield
    finally:
        raise ConnectionError("no answer to the goodbye")


async def works_alone(well: Well) -> None:
    """The client's error takes the place of the cancellation."""
    async with deaf_client():
        well()
        await asyncio.sleep(3600)


async def works_in_a_group(well: Well) -> None:
    """A child that fails while it is cancelled: the group raises what the child raised, not the cancellation."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(works_alone(well))


async def works_on(well: Well) -> None:
    """A cancellation that comes together with an answer is lost in `asyncio.wait_for` of Python 3.11."""
    well()
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(3600)
    await asyncio.sleep(3600)


@pytest.mark.parametrize("work", [works_alone, works_in_a_group, works_on])
async def test_what_fails_while_it_is_cancelled_is_not_begun_again(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would live on, and whoever waits for its end would wait for ever."""
    monkeypatch.setattr(retry, "CANCEL_AGAIN_SECONDS", 0.01)
    begun = asyncio.Event()
    times = 0

    def begin(well: Well) -> Coroutine[object, object, None]:
        nonlocal times
        times += 1
        begun.set()
        return work(well)

    task = asyncio.create_task(persist_in(begin, (ConnectionError,), log, "failed"))
    await begun.wait()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    async with asyncio.timeout(60):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert times == 1
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_fault_is_tried_again_and_another_error_gets_out(caplog: pytest.LogCaptureFixture) -> None:
    """However the fault is grouped; what is no fault of the world is a bug, and ends it."""
    faults = [ConnectionError("first"), ExceptionGroup("group", [ConnectionError("second")]), ValueError("a bug")]

    async def fail(_: Well) -> None:
        raise faults.pop(0)

    with pytest.raises(ValueError, match="a bug"):
        await persist_in(fail, (ConnectionError,), log, "failed")
    assert [(record.reason, record.attempt) for record in caplog.records] == [("first", 1), ("second", 2)]


@pytest.mark.parametrize(("good_seconds", "next_one"), [(0.0, 4), (GOOD_SECONDS - 0.1, 4), (GOOD_SECONDS, 1), (86_400.0, 1)])
def test_a_row_of_faults_ends_only_once_all_has_been_well_for_a_while(good_seconds: float, next_one: int) -> None:
    """Being let in is not enough: who is dropped at once would come again at once."""
    now = 0.0
    row = Row(lambda: now)
    assert [1, 2, 3] == [row.fault() for _ in range(3)]
    row.well()
    now += good_seconds
    row.well()  # as the canary says after each flight: still, not anew
    assert row.fault() == next_one
    now += 1000
    assert row.fault() == next_one + 1, "time that passes between two faults is not time in which all was well"


def test_the_wait_grows_to_its_ceiling_and_is_spread_over_all_of_it() -> None:
    """However many faults: between nothing and a ceiling that doubles up to its own."""
    longest = [delay_seconds(attempt, random_share=1.0) for attempt in (1, 2, 3, 7, 8, 1000)]
    assert longest == [0.4, 0.8, 1.6, CEILING_SECONDS, CEILING_SECONDS, CEILING_SECONDS]
    assert delay_seconds(1000, random_share=0.0) == 0.0


async def test_work_that_begins_well_and_fails_at_once_is_waited_for_longer_each_time(caplog: pytest.LogCaptureFixture) -> None:
    """As a client whose broker lets it in and drops it."""
    faults = [ConnectionError("dropped"), ConnectionError("dropped"), ValueError("enough")]

    async def begins_well(well: Well) -> None:
        well()
        raise faults.pop(0)

    with pytest.raises(ValueError, match="enough"):
        await persist_in(begins_well, (ConnectionError,), log, "failed")
    assert [record.attempt for record in caplog.records] == [1, 2]
