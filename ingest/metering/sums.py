"""What is summed of an institution's meters, and when: a tree -> weighted channels.

Every quantity of a tree is a whole-numbered combination of registers, so each is one plain weighted sum over days in the
database: exact, and the same however it is reached. Five kinds:

total     what a main meter adds to its institution; `name` is the meter. Under the rule `net`, what flowed back is taken off.
gap       a meter less all that is metered behind it; `name` is the meter.
sub_item  all meters' own gaps by sub-item: each kWh stands where the lowest meter saw it, so that the sub-items and the rest
          (an empty `name`) add up to the main meters. A meter without a sub-item has that of the meter above it.
virtual   a virtual meter; `name` is the meter.
excluded  what an indicator leaves out; `name` are the exclusions together, `part` is the one that fits. A meter behind one that is
          left out already is not left out again, and only what comes through a main meter can be.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from ingest.metering.calendar import Day
from ingest.metering.sub_items import excludes
from ingest.metering.tree import Form, Key, Node, Tree, children, form, parent, spans

SETTLED: Final = ("total", "excluded")
"""Kinds that verdicts rest on; the others are only looked at."""


@dataclass(frozen=True, slots=True)
class Sum:
    """Channels with how often each counts, from a local day up to, not including, another."""

    kind: str
    medium: str
    name: str
    part: str
    terms: tuple[tuple[int, int], ...]
    first: Day
    until: Day


@dataclass(frozen=True, slots=True)
class Registers:
    """The channels of a real meter: what passed, and what flowed back where it counts that."""

    channel: int
    export: int | None = None


def sums(
    nodes: Sequence[Node], registers: Mapping[Key, Registers], net: Iterable[tuple[Day, Day]], excluded: Iterable[Sequence[str]]
) -> list[Sum]:
    """All sums of one institution. `net` are the days under that rule; `excluded` are combinations that quotas name."""
    net, excluded = list(net), list(excluded)
    found: list[Sum] = []
    for begins, ends, there in spans(nodes):
        found += [replace(one, first=begins, until=ends) for one in _of_tree(there, registers, excluded)]
        for first, until, is_net in _parts(begins, ends, net):
            found += [replace(one, first=first, until=until) for one in _totals(there, registers, net=is_net)]
    return _joined(found)


def _parts(begins: Day, ends: Day, net: Iterable[tuple[Day, Day]]) -> Iterator[tuple[Day, Day, bool]]:
    """The days of a span, parted where the rule changes."""
    edges = sorted({begins, ends, *(day for span in net for day in span if begins < day < ends)})
    for first, until in pairwise(edges):
        yield first, until, any(since <= first < up_to for since, up_to in net)


def _joined(found: Iterable[Sum]) -> list[Sum]:
    """Sums that follow each other unchanged, as one."""
    last: dict[tuple[str, str, str, str], Sum] = {}
    joined = []
    for one in sorted(found, key=lambda one: one.first):
        key = one.kind, one.medium, one.name, one.part
        before = last.get(key)
        if before is not None and before.until == one.first and before.terms == one.terms:
            last[key] = replace(before, until=one.until)
        else:
            joined += [before] if before is not None else []
            last[key] = one
    return [*joined, *last.values()]


def _sum(kind: str, medium: str, name: str, of: Form, registers: Mapping[Key, Registers], part: str = "") -> Sum:
    return Sum(kind, medium, name, part, tuple(sorted((registers[key].channel, often) for key, often in of.items())), 0, 0)


def _totals(there: Tree, registers: Mapping[Key, Registers], *, net: bool) -> Iterator[Sum]:
    for node in there.values():
        if node.role != "main":
            continue
        of = form(node, there)
        total = _sum("total", node.medium, node.code, of, registers)
        back = [(export, -often) for key, often in of.items() if (export := registers[key].export) is not None]
        yield replace(total, terms=tuple(sorted([*total.terms, *back]))) if net else total


def _of_tree(there: Tree, registers: Mapping[Key, Registers], excluded: Iterable[Sequence[str]]) -> Iterator[Sum]:
    below = children(there)
    for node in there.values():
        if node.formula:
            yield _sum("virtual", node.medium, node.code, form(node, there), registers)
        if node.key in below:
            yield _sum("gap", node.medium, node.code, _own(node, below, there), registers)
    metered = [node for node in there.values() if _through_main(node, there)]
    for name, of in _by_sub_item(metered, below, there).items():
        yield _sum("sub_item", "electricity", name, of, registers)
    for names in excluded:
        for part, of in _left_out(metered, names, there).items():
            yield _sum("excluded", "electricity", ";".join(names), of, registers, part)


def _own(node: Node, below: Mapping[Key, Sequence[Node]], there: Tree) -> Form:
    """A meter less what hangs behind it; what cancels out stays, with 0, because it must be known all the same."""
    own = defaultdict(int, form(node, there))
    for child in below.get(node.key, ()):
        for key, often in form(child, there).items():
            own[key] -= often
    return own


def _above(node: Node, there: Tree) -> Iterator[Node]:
    """A meter, the one it hangs behind, and so on up."""
    at: Node | None = node
    while at is not None:
        yield at
        at = parent(at, there)


def _through_main(node: Node, there: Tree) -> bool:
    """Whether a meter counts a part of what an electricity main meter counts."""
    *_, root = _above(node, there)
    return node.role != "check" and (root.role, root.medium) == ("main", "electricity")


def _by_sub_item(metered: Iterable[Node], below: Mapping[Key, Sequence[Node]], there: Tree) -> dict[str, Form]:
    items: dict[str, Form] = defaultdict(lambda: defaultdict(int))
    for node in metered:
        item = next((one.sub_item for one in _above(node, there) if one.sub_item), "")
        for key, often in _own(node, below, there).items():
            items[item][key] += often
    return {item: {key: often for key, often in of.items() if often} or of for item, of in items.items()}


def _left_out(metered: Iterable[Node], names: Sequence[str], there: Tree) -> dict[str, Form]:
    parts: dict[str, Form] = defaultdict(lambda: defaultdict(int))
    for node in metered:
        named, *above = [_named(one, names) for one in _above(node, there)]
        if named is not None and not any(above):
            for key, often in form(node, there).items():
                parts[named][key] += often
    return parts


def _named(node: Node, names: Iterable[str]) -> str | None:
    return next((name for name in names if excludes(name, node.medium, node.sub_item, node.access)), None)
