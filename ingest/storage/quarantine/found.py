"""Which messages a filter matches: numbers, sizes and states in order, compact enough for millions."""

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from ingest.settings import DatabaseSettings
from ingest.storage.connection import connected
from ingest.storage.quarantine.filters import Filter, names_meter
from ingest.storage.queries import QUERIES

CHUNK_MESSAGES: Final = 500
CHUNK_BYTES: Final = 8 * 1024 * 1024
"""What one transaction replays, or one round trip brings, at most: a few hundred messages, or a few that are large."""


@dataclass(slots=True)
class Found:
    """Messages by number, in rising order, with what each takes."""

    ids: "array[int]" = field(default_factory=lambda: array("q"))
    sizes: "array[int]" = field(default_factory=lambda: array("l"))

    def __len__(self) -> int:
        """How many."""
        return len(self.ids)

    def add(self, number: int, size: int) -> None:
        """One more, of a higher number."""
        self.ids.append(number)
        self.sizes.append(size)

    def chunk(self, begin: int, most: int = CHUNK_MESSAGES) -> Sequence[int]:
        """The numbers from a position on that are handled at once: at least one, unless there is none."""
        end, size = begin, 0
        while end < min(begin + most, len(self.ids)) and (end == begin or size + self.sizes[end] <= CHUNK_BYTES):
            size += self.sizes[end]
            end += 1
        return self.ids[begin:end].tolist()

    def chunks(self) -> Iterator[Sequence[int]]:
        """All numbers, a chunk at a time."""
        begin = 0
        while chunk := self.chunk(begin):
            yield chunk
            begin += len(chunk)


@dataclass(slots=True)
class Matching:
    """What matches a filter: open and resolved messages, each with how many there are by reason."""

    every: Found = field(default_factory=Found)
    open: Found = field(default_factory=Found)
    reasons: Counter[str] = field(default_factory=Counter)
    bytes: int = 0

    @property
    def resolved(self) -> int:
        """How many are resolved already."""
        return len(self.every) - len(self.open)


async def matching(settings: DatabaseSettings, wanted: Filter) -> Matching:
    """What matches now; what comes later is not in it. Raises Unavailable."""
    matches = Matching()
    async with connected(settings) as connection, connection.cursor(name="quarantine_matching") as cursor:
        cursor.itersize = 1000 if wanted.meter is None else 100
        await cursor.execute(QUERIES["quarantine_matching"], wanted.parameters())
        async for number, size, reason, is_open, payload in cursor:
            if payload is None or wanted.meter is None or names_meter(bytes(payload), wanted.meter):
                _add(matches, number, size, reason, is_open=is_open)
    return matches


def _add(matches: Matching, number: int, size: int, reason: str, *, is_open: bool) -> None:
    matches.every.add(number, size)
    if is_open:
        matches.open.add(number, size)
    matches.reasons[reason] += 1
    matches.bytes += size
