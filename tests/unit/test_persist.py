"""A batch is committed whatever it takes: the message's fault and the world's are told apart, and nothing is discarded."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from ingest.errors import Lost, Reason, Refused, Stage, Unavailable
from ingest.messages import Assessed, Message, Outcome, Rejected, Row
from ingest.metrics import Metrics
from ingest.persist import persist

WELL, AWAY, REFUSES, CUTS = "well", "away", "refuses every message", "ends the connection"


@dataclass
class FakeWriter:
    """Commits in memory; refuses transactions that hold a poison message, and its connection ends under a deadly one.

    `world` says how each next transaction finds the world.
    """

    poison: set[int]
    world: Iterator[str]
    most: int = 2**30
    """Messages that a transaction has time for."""
    committed: list[Assessed] = field(default_factory=list)
    transactions: int = 0
    probes: int = 0
    deadly: set[int] = field(default_factory=set)
    recovers: int = 0
    """So many transactions the server is away after a deadly message."""
    losses: int = 0
    verdicts: int = 0
    """Quarantines tried, whether they were committed or not."""
    connections: int = 0
    is_open: bool = False

    async def write(self, batch: Sequence[Assessed]) -> list[Outcome]:
        """As the real one: all or nothing. What is rejected goes to quarantine, which takes anything."""
        assert batch, "an empty transaction"
        self.verdicts += any(one.rejected is not None for one in batch)
        self._step()
        if len(batch) > self.most:
            raise Unavailable("57014: canceling statement due to statement timeout")
        if any(one.rejected is None and one.message.packet_id in self.deadly for one in batch):
            self.losses += 1
            self.is_open = False
            self.world = chain([AWAY] * self.recovers, self.world)
            raise Lost("server closed the connection unexpectedly")
        if any(one.rejected is None and one.message.packet_id in self.poison for one in batch):
            raise Refused("22023: poison")
        self.committed += batch
        return [Outcome("rejected" if one.rejected else "stored", stored=one.message.packet_id) for one in batch]

    async def probe(self) -> None:
        """Fails only with the world."""
        self.probes += 1
        self._step()

    async def close(self) -> None:
        """The next transaction opens another connection."""
        self.is_open = False

    def _step(self) -> None:
        self.transactions += 1
        self.connections += not self.is_open
        self.is_open = True
        found = next(self.world)
        self.is_open = found == WELL
        match found:
            case "ends the connection":
                raise Lost("server closed the connection unexpectedly")
            case "away":
                raise Unavailable("database: away")
            case "refuses every message":
                raise Refused("42501: permission denied")


@dataclass
class Waits:
    """The pauses between tries; nothing is slept away."""

    seconds: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


def batch_of(size: int, rejected: frozenset[int] = frozenset()) -> list[Assessed]:
    """Messages told apart by packet identifier, some rejected already."""
    batch = [Assessed(Message("t", b"", 1, False, n, 1, 0), [Row(n, 0, 0, 0)]) for n in range(size)]
    for number in rejected:
        batch[number].rejected = Rejected(Stage.DECODE, Reason.MALFORMED_JSON, "")
    return batch


def writer_of(*poison: int, world: Sequence[str] = ()) -> FakeWriter:
    """A writer for which the world is well after what is listed."""
    return FakeWriter(set(poison), chain(world, repeat(WELL)))


def metrics() -> Metrics:
    """Metrics of the test's own."""
    return Metrics(CollectorRegistry())


async def persisted(writer: FakeWriter, batch: list[Assessed]) -> tuple[list[Outcome], Waits, Metrics]:
    """Persist a batch, with an end."""
    waits, counts = Waits(), metrics()
    async with asyncio.timeout(60):
        return await persist(writer, batch, counts, waits), waits, counts


async def test_a_batch_without_a_fault_is_one_transaction() -> None:
    """The ordinary case pays nothing for the others."""
    writer = writer_of()
    outcomes, waits, counts = await persisted(writer, batch_of(5))
    assert [0, 1, 2, 3, 4] == [outcome.stored for outcome in outcomes]
    assert (1, 0, []) == (writer.transactions, writer.probes, waits.seconds)
    assert bool(counts.database_up)


async def test_an_absent_database_is_tried_again_for_ever_with_growing_pauses_and_the_same_batch() -> None:
    """A hundred failures discard nothing and end nothing; readiness falls and comes back."""
    writer = writer_of(world=[AWAY] * 100)
    batch = batch_of(3)
    outcomes, waits, counts = await persisted(writer, batch)
    assert batch == writer.committed
    assert ["stored"] * 3 == [outcome.message for outcome in outcomes]
    assert 100 == len(waits.seconds)
    assert max(waits.seconds) <= 15
    assert max(waits.seconds[:3]) <= 1.6
    assert bool(counts.database_up)
    assert 100 == counts.registry.get_sample_value("meterwarden_write_failures_total", {"kind": "unavailable"})


@pytest.mark.parametrize("most", [1, 3, 100, 999])
async def test_a_batch_too_large_for_the_time_a_statement_has_is_written_in_parts(most: int) -> None:
    """Tried whole for ever it would never be acknowledged, and nothing behind it either."""
    writer, batch = writer_of(), batch_of(1000)
    writer.most = most
    outcomes, _, _ = await persisted(writer, batch)
    assert batch == writer.committed
    assert list(range(1000)) == [outcome.stored for outcome in outcomes]


async def test_after_an_outage_a_batch_is_written_in_few_parts() -> None:
    """However long it was: twice as many messages each time."""
    writer = writer_of(world=[AWAY] * 100)
    await persisted(writer, batch_of(5000))
    assert writer.transactions - 100 < 20


async def test_readiness_falls_while_the_database_is_away() -> None:
    """At every pause the condition says so."""
    writer, counts, seen = writer_of(world=[AWAY] * 3), metrics(), []

    async def look(_seconds: float) -> None:
        seen.append(bool(counts.database_up))

    await persist(writer, batch_of(1), counts, look)
    assert [False] * 3 == seen


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16])
@pytest.mark.parametrize("place", ["first", "middle", "last", "all"])
async def test_the_poisoned_message_alone_is_quarantined_wherever_it_is(size: int, place: str) -> None:
    """The rest of its batch is committed as it came, in order."""
    poison = {"first": {0}, "middle": {size // 2}, "last": {size - 1}, "all": set(range(size))}[place]
    writer, batch = writer_of(*poison), batch_of(size)
    outcomes, waits, _ = await persisted(writer, batch)
    assert ["rejected" if n in poison else "stored" for n in range(size)] == [outcome.message for outcome in outcomes]
    assert list(range(size)) == [one.message.packet_id for one in writer.committed]
    assert poison == {n for n, one in enumerate(batch) if one.rejected and one.rejected.reason == Reason.UNSTORABLE}
    assert 2 * len(poison) == writer.probes
    assert [] == waits.seconds


async def test_halving_finds_one_poisoned_message_among_thousands_in_few_transactions() -> None:
    """At most half the square of the logarithm, not a transaction a message."""
    writer = writer_of(3210)
    await persisted(writer, batch_of(5000))
    assert writer.transactions < 100


async def test_a_world_that_refuses_every_message_quarantines_none() -> None:
    """A missing privilege, a full disk that no list names: the probe fails too, so nobody is at fault."""
    writer, batch = writer_of(world=[REFUSES] * 40), batch_of(8)
    outcomes, waits, _ = await persisted(writer, batch)
    assert ["stored"] * 8 == [outcome.message for outcome in outcomes]
    assert [None] * 8 == [one.rejected for one in batch]
    assert 1 <= len(waits.seconds)


async def test_a_world_that_breaks_between_the_probe_and_the_quarantine_leaves_the_message_undecided() -> None:
    """The verdict is not spoken before it is written: the message is written whole, or tried again."""
    writer, batch = writer_of(0, world=[WELL, WELL, WELL, WELL, AWAY]), batch_of(1)
    outcomes, waits, _ = await persisted(writer, batch)
    assert ["rejected"] == [outcome.message for outcome in outcomes]
    assert 1 == len(writer.committed)
    assert 1 == len(waits.seconds)


@pytest.mark.parametrize("mended_after", [1, 2, 3])
async def test_a_world_mended_while_a_message_is_judged_leaves_the_message_its_own(mended_after: int) -> None:
    """The probe that commits may be the first transaction of a mended world: the message is tried once more beside it."""
    writer = writer_of(world=[REFUSES] * mended_after)
    outcomes, _, _ = await persisted(writer, batch_of(1))
    assert ["stored"] == [outcome.message for outcome in outcomes]


async def test_a_world_that_breaks_after_the_probe_is_no_message_s_fault() -> None:
    """Refused before and after a probe that commits, by a world that the second probe finds broken."""
    writer = writer_of(world=[REFUSES, WELL, REFUSES, REFUSES])
    outcomes, _, _ = await persisted(writer, batch_of(1))
    assert ["stored"] == [outcome.message for outcome in outcomes]


async def test_cancelling_leaves_the_rest_unwritten_and_says_nothing_of_it() -> None:
    """A stop that does not wait for the database ends the wait, and no outcome is made up."""
    writer = FakeWriter(set(), repeat(AWAY))
    task = asyncio.ensure_future(persist(writer, batch_of(2), metrics(), Waits()))
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [] == writer.committed


WORLD = st.lists(st.sampled_from([WELL, WELL, WELL, AWAY, REFUSES]), max_size=60)


@given(st.integers(1, 40).flatmap(lambda size: st.tuples(st.just(size), st.sets(st.integers(0, size - 1)))), WORLD)
def test_whatever_fails_in_between_every_message_is_decided_once_in_order(sized: tuple[int, set[int]], world: list[str]) -> None:
    """Any messages poisoned, any moments of an absent or refusing world: outcomes in order, exactly the poisoned ones quarantined.

    A world that is well for the probe and refuses around it can make any message look poisoned: that is then quarantined whole,
    never lost. Without such a world exactly the poisoned ones are.
    """
    size, poison = sized
    already = frozenset(n for n in range(size) if n % 7 == 3 and n not in poison)
    writer, batch = writer_of(*poison, world=world), batch_of(size, already)
    outcomes, _, counts = asyncio.run(persisted(writer, batch))

    assert list(range(size)) == [one.message.packet_id for one in writer.committed]
    assert list(range(size)) == [outcome.stored for outcome in outcomes]
    assert [bool(one.rejected) for one in writer.committed] == [outcome.message == "rejected" for outcome in outcomes]
    rejected = {n for n, outcome in enumerate(outcomes) if outcome.message == "rejected"}
    assert poison | already <= rejected
    if REFUSES not in world:
        assert poison | already == rejected
    assert {Reason.MALFORMED_JSON} >= {batch[n].rejected.reason for n in already if batch[n].rejected} or REFUSES in world
    assert bool(counts.database_up)
