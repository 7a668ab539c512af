"""A message under which the connection ends is at fault where nothing else is; a network that fails, or a server, never is."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from itertools import chain, cycle, repeat

import pytest

from ingest.errors import Reason
from ingest.trial import CONNECTIONS, LOSSES
from tests.unit.test_persist import AWAY, CUTS, REFUSES, WELL, FakeWriter, batch_of, persisted

BESIDE = 1 + 2 * CONNECTIONS
"""Probes before each attempt."""


def deadly(*numbers: int, world: Sequence[str] = (), recovers: int = 0) -> FakeWriter:
    """A writer whose connection ends under these messages; the world is well after what is listed."""
    return FakeWriter(set(), chain(world, repeat(WELL)), deadly=set(numbers), recovers=recovers)


@pytest.mark.parametrize("recovers", [0, 3], ids=["the connection ends", "the server restarts"])
@pytest.mark.parametrize("size", [1, 2, 7, 16])
@pytest.mark.parametrize("place", ["first", "middle", "last", "all"])
async def test_the_message_under_which_every_connection_ends_is_quarantined_alone(size: int, place: str, recovers: int) -> None:
    """Wherever it is in its batch; the rest is committed as it came, in order, and the verdict carries its evidence."""
    numbers = {"first": {0}, "middle": {size // 2}, "last": {size - 1}, "all": set(range(size))}[place]
    writer, batch = deadly(*numbers, recovers=recovers), batch_of(size)
    outcomes, _, counts = await persisted(writer, batch)
    assert ["rejected" if n in numbers else "stored" for n in range(size)] == [outcome.message for outcome in outcomes]
    assert list(range(size)) == [one.message.packet_id for one in writer.committed]
    assert numbers == {n for n, one in enumerate(batch) if one.rejected and one.rejected.reason == Reason.BREAKS_CONNECTION}
    evidence = f"unexpectedly ({LOSSES} times, each right after probes that committed on the same connection)"
    assert all(one.rejected.detail.endswith(evidence) for one in batch if one.rejected)
    assert bool(counts.database_up)


async def test_one_among_thousands_is_found_in_few_connections_and_without_long_waits() -> None:
    """A database that is there is asked again at once: the line stands still for seconds, not minutes."""
    writer = deadly(3210)
    _, waits, _ = await persisted(writer, batch_of(5000))
    assert writer.losses < 40
    assert sum(waits.seconds) < 10


async def test_each_attempt_comes_after_connections_that_held_in_use_and_idle() -> None:
    """So many new connections, each probed before and after a pause, before each loss and once more before the verdict."""
    writer = deadly(0)
    _, waits, _ = await persisted(writer, batch_of(1))
    assert LOSSES + 1 == writer.losses, "the first one, that nobody had looked beside, is no evidence"
    assert BESIDE * (LOSSES + 1) == writer.probes
    assert CONNECTIONS * (LOSSES + 1) == len(waits.seconds)
    assert writer.connections > CONNECTIONS * LOSSES


@pytest.mark.parametrize("losses", range(LOSSES + 1))
async def test_a_message_that_is_stored_in_the_end_is_stored(losses: int) -> None:
    """However often its connection ended before: short of the verdict nothing is decided."""
    each = [*[WELL] * BESIDE, CUTS]
    writer = deadly(world=[CUTS, *each * (losses - 1)] if losses else [])
    outcomes, _, _ = await persisted(writer, batch_of(1))
    assert ["stored"] == [outcome.message for outcome in outcomes]
    assert writer.verdicts == 0


@pytest.mark.parametrize("fault", [CUTS, REFUSES, AWAY])
@pytest.mark.parametrize("place", range(1, BESIDE))
async def test_a_fault_beside_the_message_clears_it(fault: str, place: int) -> None:
    """One connection that ends in use or idle, one probe that fails, and the count begins anew: for ever, if need be."""
    beside = [WELL] * BESIDE
    beside[place] = fault
    nearly = [*[*[WELL] * BESIDE, CUTS] * (LOSSES - 1), *beside[: place + 1]]
    writer = deadly(world=[CUTS, *nearly * 5])
    outcomes, _, _ = await persisted(writer, batch_of(1))
    assert ["stored"] == [outcome.message for outcome in outcomes]
    assert writer.verdicts == 0


async def test_a_fault_beside_it_after_the_last_loss_clears_it_too() -> None:
    """The world may have begun to fail with that very loss."""
    writer = deadly(world=[CUTS, *[*[WELL] * BESIDE, CUTS] * LOSSES, *[WELL] * (BESIDE - 1), CUTS])
    outcomes, _, _ = await persisted(writer, batch_of(1))
    assert ["stored"] == [outcome.message for outcome in outcomes]
    assert writer.verdicts == 0


@pytest.mark.parametrize(
    "world", [cycle([CUTS, AWAY, AWAY]), cycle([AWAY] * 9 + [CUTS]), cycle([WELL, CUTS]), cycle([WELL, WELL, CUTS])],
    ids=["restart loop", "long restart loop", "every second", "every third"],
)  # fmt: skip
async def test_a_world_that_goes_on_failing_convicts_nobody(world: Iterator[str]) -> None:
    """Thousands of transactions that fail in a rhythm of their own: all stored once it ends, none quarantined."""
    writer = deadly(world=[next(world) for _ in range(5000)])
    batch = batch_of(8)
    outcomes, _, _ = await persisted(writer, batch)
    assert ["stored"] * 8 == [outcome.message for outcome in outcomes]
    assert writer.verdicts == 0


@pytest.mark.parametrize("seed", range(10))
def test_a_network_that_ends_connections_at_random_convicts_nobody(seed: int) -> None:
    """Any share of transactions, up to most of them; whatever is committed is committed once."""
    rng = random.Random(seed)
    for share in (0.05, 0.1, 0.2, 0.3, 0.5, 0.7):
        world = [CUTS if rng.random() < share else rng.choice([WELL] * 9 + [AWAY]) for _ in range(4000)]
        writer, batch = deadly(world=world), batch_of(400)
        outcomes, _, _ = asyncio.run(persisted(writer, batch))
        assert ["stored"] * 400 == [outcome.message for outcome in outcomes], f"seed {seed}, share {share}"
        assert list(range(400)) == [one.message.packet_id for one in writer.committed]
        assert writer.verdicts == 0


async def test_a_message_that_is_refused_once_its_connection_holds_is_judged_as_refused() -> None:
    """Whichever way the database fails it last."""
    writer = FakeWriter({0}, chain([CUTS, *[WELL] * BESIDE, CUTS], repeat(WELL)))
    batch = batch_of(1)
    await persisted(writer, batch)
    assert batch[0].rejected
    assert Reason.UNSTORABLE == batch[0].rejected.reason


async def test_a_verdict_that_cannot_be_written_is_none() -> None:
    """The quarantine carries the message's own bytes: where these do not come through either, the world is at fault."""
    writer = deadly(world=[CUTS, *[*[WELL] * BESIDE, CUTS] * LOSSES, *[WELL] * BESIDE, CUTS])
    outcomes, _, _ = await persisted(writer, batch_of(1))
    assert ["stored"] == [outcome.message for outcome in outcomes]
