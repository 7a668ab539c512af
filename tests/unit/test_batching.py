"""Batches close at a count, a size, an age or the end of the stream, and keep the order received."""

import asyncio
from collections.abc import AsyncIterator

from hypothesis import given
from hypothesis import strategies as st

from ingest.batching import PART_BYTES, Inbox, parts, size_bytes
from ingest.messages import Message
from ingest.settings import BatchSettings

NEVER_SECONDS = 3600.0


def message(number: int, payload_bytes: int = 0) -> Message:
    """A message told apart by its packet identifier."""
    return Message("t", bytes(payload_bytes), 1, False, number, 1, 0)


def put(inbox: Inbox, messages: list[Message]) -> None:
    """As the session puts them."""
    inbox.put(messages, sum(map(size_bytes, messages)))


async def taken(batches: AsyncIterator[list[Message]]) -> list[int]:
    """The packet identifiers of the next batch, which must come soon."""
    async with asyncio.timeout(60):
        return [one.packet_id for one in await anext(batches)]


async def nothing_comes(batches: AsyncIterator[list[Message]]) -> asyncio.Task[list[int]]:
    """The task that waits for the next batch, after every callback that is due has run."""
    waiting = asyncio.ensure_future(taken(batches))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    return waiting


async def test_a_batch_is_full_at_its_count_and_the_rest_waits_for_the_next() -> None:
    """With the count reached nobody waits for age; what is beyond the count stays, in order."""
    inbox = Inbox(BatchSettings(messages=3, age_seconds=NEVER_SECONDS))
    batches = inbox.batches()
    put(inbox, [message(1), message(2)])
    waiting = await nothing_comes(batches)
    put(inbox, [message(3), message(4)])
    assert [1, 2, 3] == await waiting
    rest = await nothing_comes(batches)
    put(inbox, [message(5), message(6)])
    assert [4, 5, 6] == await rest


async def test_a_batch_is_full_at_its_bytes() -> None:
    """Large payloads close a batch before the count does, and none goes over the limit that could stay below."""
    inbox = Inbox(BatchSettings(messages=1000, bytes=4096, age_seconds=NEVER_SECONDS))
    batches = inbox.batches()
    put(inbox, [message(n, 1500) for n in range(5)])
    assert [0, 1] == await taken(batches)
    assert [2, 3] == await taken(batches)
    waiting = await nothing_comes(batches)
    inbox.close()
    assert [4] == await waiting


async def test_a_message_larger_than_a_batch_may_be_is_a_batch_of_its_own() -> None:
    """It must not wait for ever for a batch that it fits."""
    inbox = Inbox(BatchSettings(messages=1000, bytes=4096, age_seconds=NEVER_SECONDS))
    put(inbox, [message(1, 10_000), message(2)])
    assert [1] == await taken(inbox.batches())


async def test_a_batch_is_taken_at_its_age_and_the_next_one_has_an_age_of_its_own() -> None:
    """A lonely message waits no longer than the age, whatever came before it."""
    inbox = Inbox(BatchSettings(messages=1000, age_seconds=0.01))
    batches = inbox.batches()
    for number in (1, 2):
        put(inbox, [message(number)])
        assert [number] == await taken(batches)


async def test_what_overflows_a_full_batch_is_taken_at_its_age() -> None:
    """The rest of a burst is not forgotten until the next message comes."""
    inbox = Inbox(BatchSettings(messages=2, age_seconds=0.01))
    batches = inbox.batches()
    put(inbox, [message(1), message(2), message(3)])
    assert [1, 2] == await taken(batches)
    assert [3] == await taken(batches)


async def test_a_closed_inbox_gives_at_once_what_it_holds_and_ends() -> None:
    """SIGTERM does not wait for age; after the last batch the stream is over."""
    inbox = Inbox(BatchSettings(messages=2, age_seconds=NEVER_SECONDS))
    put(inbox, [message(n) for n in range(5)])
    inbox.close()
    async with asyncio.timeout(60):
        found = [[one.packet_id for one in batch] async for batch in inbox.batches()]
    assert [[0, 1], [2, 3], [4]] == found


async def test_an_empty_inbox_ends_when_it_is_closed() -> None:
    """Nobody waits for a message that will not come."""
    inbox = Inbox(BatchSettings(age_seconds=NEVER_SECONDS))
    async with asyncio.timeout(60):
        inbox.close()
        assert [] == [batch async for batch in inbox.batches()]


@given(
    sizes=st.lists(st.lists(st.integers(0, 3000), max_size=8), max_size=12),
    most=st.integers(1, 6),
    most_bytes=st.integers(1024, 8192),
)
def test_every_message_comes_once_in_order_and_no_batch_is_above_its_limits(
    sizes: list[list[int]], most: int, most_bytes: int
) -> None:
    """Whatever arrives in whatever lists: the batches, joined, are the stream; only a single message may exceed the bytes."""
    numbers = iter(range(10_000))
    stream = [[message(next(numbers), size) for size in part] for part in sizes]
    limits = BatchSettings(messages=most, bytes=most_bytes, age_seconds=0.001)

    async def collect() -> list[list[Message]]:
        inbox, found = Inbox(limits), []

        async def take() -> None:
            found.extend([batch async for batch in inbox.batches()])

        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            tasks.create_task(take())
            for part in stream:
                put(inbox, part)
                await asyncio.sleep(0)
            inbox.close()
        return found

    batches = asyncio.run(collect())
    assert [one for part in stream for one in part] == [one for batch in batches for one in batch]
    assert all(1 <= len(batch) <= most for batch in batches)
    assert all(len(batch) == 1 or sum(map(size_bytes, batch)) <= most_bytes for batch in batches)


@given(st.lists(st.integers(0, 2 * PART_BYTES), min_size=1, max_size=30))
def test_the_parts_of_a_batch_are_the_batch_in_order(sizes: list[int]) -> None:
    """Whatever the sizes of its messages."""
    batch = [message(number, size) for number, size in enumerate(sizes)]
    found = list(parts(batch))
    assert batch == [one for part in found for one in part]
    assert all(found)


@given(number=st.integers(1, 2_000), size=st.integers(0, 2 * PART_BYTES))
def test_a_part_is_as_much_as_is_decided_in_one_go(number: int, size: int) -> None:
    """Of messages of one size: as many as fit, but at least one."""
    *whole, last = parts([message(1, size)] * number)
    most = max(PART_BYTES // size_bytes(message(1, size)), 1)
    assert all(len(part) == most for part in whole)
    assert len(last) <= most
