"""The sums of every institution's meters (ingest/metering/sums.py), kept in step with the registry."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import Any, Final, NamedTuple

from ingest.metering.calendar import Day
from ingest.metering.formula import parse
from ingest.metering.sub_items import exclusions
from ingest.metering.sums import SETTLED, Registers, Sum, sums
from ingest.metering.tree import Key, Node, mistakes
from ingest.storage.connection import Connection
from ingest.storage.queries import QUERIES
from ingest.storage.registry_checks import RegistryFault

LAST_DAY: Final = date.max.toordinal()


class Term(NamedTuple):
    """A row of `sum_term` without its institution."""

    kind: str
    medium: str
    name: str
    part: str
    first: Day
    until: Day
    channel: int
    coefficient: int
    parts: int


@dataclass(slots=True)
class Meters:
    """An institution's meters as registered, in local days."""

    institution: int
    nodes: list[Node] = field(default_factory=list)
    registers: dict[Key, Registers] = field(default_factory=dict)
    rules: list[tuple[Day, Day, str]] = field(default_factory=list)

    @property
    def net(self) -> list[tuple[Day, Day]]:
        """The days on which what flowed back is taken off."""
        return [(first, until) for first, until, rule in self.rules if rule == "net"]


async def plan_sums(connection: Connection, codes: Sequence[str]) -> dict[str, date]:
    """Bring the stored sums of institutions in step with the registry; institution -> first day on which a verdict may change.

    Raises RegistryFault where the registry, with what the database held before, makes no tree.
    """
    found = await _meters(connection, codes)
    faults = [f"{code}: {what}: {text}" for code, meters in found.items() for what, text in _misplaced(meters)]
    if faults:
        raise RegistryFault([f"{fault} (some of it is only in the database: add it to the files)" for fault in sorted(faults)])
    cursor = await connection.execute(QUERIES["exclusions"])
    excluded = [exclusions(row[0]) for row in await cursor.fetchall()]
    there = await _stored(connection, [meters.institution for meters in found.values()])
    since: dict[str, date] = {}
    gone: list[tuple[Any, ...]] = []
    new: list[tuple[Any, ...]] = []
    for code, meters in found.items():
        wanted = _terms(sums(meters.nodes, meters.registers, meters.net, excluded))
        before = there[meters.institution]
        gone += [_row(meters.institution, term) for term in sorted(before - wanted)]
        new += [_row(meters.institution, term) for term in sorted(wanted - before)]
        days = [_first_difference(before, wanted, key) for key in {_key(term) for term in before ^ wanted}]
        if days:
            since[code] = date.fromordinal(min(days))
    await _write(connection, gone, new)
    return since


def _misplaced(meters: Meters) -> list[tuple[str, str]]:
    """Versions that overlap, or else do not fit their tree."""
    versions = [(node.place, node.begins, node.ends) for node in meters.nodes]
    versions += [("pv_rule", first, until) for first, until, _ in meters.rules]
    overlapping = [
        (what, f"its version from {date.fromordinal(begins)} lies within the one from {date.fromordinal(first)}")
        for (before, first, until), (what, begins, _) in pairwise(sorted(versions))
        if before == what and begins < until
    ]
    return overlapping or [(node.place, text) for node, text in mistakes(meters.nodes)]


async def _meters(connection: Connection, codes: Sequence[str]) -> dict[str, Meters]:
    cursor = await connection.execute(QUERIES["tree_institutions"], [list(codes)])
    found = {code: Meters(number) for code, number in await cursor.fetchall()}
    cursor = await connection.execute(QUERIES["tree_meters"], {"codes": list(codes)})
    for code, formula, first, until, channel, export, access, *columns in await cursor.fetchall():
        node = _node(columns, first, until, formula, access)
        if node.begins >= node.ends:
            continue  # begins and ends within one day
        found[code].nodes.append(node)
        if formula is None:
            found[code].registers[node.key] = Registers(channel, export)
    cursor = await connection.execute(QUERIES["pv_rules"], [list(codes)])
    for code, first, until, rule in await cursor.fetchall():
        found[code].rules.append((first.toordinal(), _end(until), rule))
    return found


def _node(columns: Sequence[Any], first: date, until: date | None, formula: str | None, access: str | None) -> Node:
    medium, meter, role, parent, sub_item = columns
    made_of = None if formula is None else parse(formula)
    begins, ends, place = first.toordinal(), _end(until), f"{medium}/{meter}"
    return Node(medium, meter, role, parent, sub_item, begins, ends, made_of, access, place)


async def _stored(connection: Connection, institutions: Collection[int]) -> dict[int, set[Term]]:
    cursor = await connection.execute(QUERIES["sum_terms"], [list(institutions)])
    found: dict[int, set[Term]] = defaultdict(set)
    for institution, kind, medium, name, part, first, until, *numbers in await cursor.fetchall():
        found[institution].add(Term(kind, medium, name, part, first.toordinal(), _end(until), *numbers))
    return found


def _terms(found: Iterable[Sum]) -> set[Term]:
    return {
        Term(one.kind, one.medium, one.name, one.part, one.first, one.until, channel, coefficient, len(one.terms))
        for one in found
        for channel, coefficient in one.terms
    }


def _key(term: Term) -> tuple[Any, ...]:
    """What a term is, whenever it holds."""
    return (*term[:4], *term[6:])


def _first_difference(before: Iterable[Term], after: Iterable[Term], key: tuple[Any, ...]) -> Day:
    """The first day on which a term holds on one side only; the end of days without one, or where no verdict rests on it."""
    if key[0] not in SETTLED:
        return LAST_DAY
    spans = [[(term.first, term.until) for term in terms if _key(term) == key] for terms in (before, after)]
    edges = sorted({day for side in spans for span in side for day in span})
    return next((day for day in edges if _holds(spans[0], day) != _holds(spans[1], day)), LAST_DAY)


def _holds(spans: Iterable[tuple[Day, Day]], day: Day) -> bool:
    return any(first <= day < until for first, until in spans)


async def _write(connection: Connection, gone: Sequence[tuple[Any, ...]], new: Sequence[tuple[Any, ...]]) -> None:
    async with connection.cursor() as cursor:
        if gone:
            await cursor.executemany(QUERIES["delete_sum_term"], gone)
        if new:
            async with cursor.copy(QUERIES["copy_sum_terms"]) as copy:
                for row in new:
                    await copy.write_row(row)


def _row(institution: int, term: Term) -> tuple[Any, ...]:
    until = "infinity" if term.until == LAST_DAY else date.fromordinal(term.until)
    return (institution, *term[:4], date.fromordinal(term.first), until, *term[6:])


def _end(until: date | None) -> Day:
    return LAST_DAY if until is None else until.toordinal()
