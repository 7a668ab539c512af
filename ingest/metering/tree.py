"""An institution's meters as trees: who hangs behind whom, and when. A version that does not fit is named, with what to do.

A parent is a meter of the same medium; a charger may hang behind an electricity meter, whose consumption then includes it.
Times are integers, instants or days, alike within one tree.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

from ingest.metering.formula import MAX_COEFFICIENT, Formula

SUMMED: Final = ("branch", "sub")
"""Roles whose consumption is part of their parent's. A main has no parent; a check meter repeats what another counts."""

Key = tuple[str, str]
"""Medium and code."""
Form = dict[Key, int]
"""How often each real meter counts."""


@dataclass(frozen=True, slots=True)
class Node:
    """One version of a meter, virtual where it has a formula; `place` is whatever the caller wants to find it by again."""

    medium: str
    code: str
    role: str
    parent: str | None
    sub_item: str | None
    begins: int
    ends: int
    formula: Formula | None = None
    access: str | None = None
    place: Any = None

    @property
    def key(self) -> Key:
        """Medium and code."""
        return self.medium, self.code


Tree = Mapping[Key, Node]
"""The versions in force at one time."""


def spans(nodes: Iterable[Node]) -> Iterator[tuple[int, int, Tree]]:
    """The times between which no version begins or ends, in order, with what is in force."""
    versions = _joined(nodes)
    edges = sorted({edge for node in versions for edge in (node.begins, node.ends)})
    for begins, ends in pairwise(edges):
        there = {node.key: node for node in versions if node.begins <= begins < node.ends}
        if there:
            yield begins, ends, there


def _joined(nodes: Iterable[Node]) -> list[Node]:
    """Versions that differ in nothing a tree is made of, and follow each other, as one: a new ratio moves nobody."""
    joined: list[Node] = []
    for node in sorted(nodes, key=lambda node: (node.key, node.begins)):
        last = joined[-1] if joined else None
        if last and last.ends == node.begins and last == replace(node, begins=last.begins, ends=last.ends, place=last.place):
            joined[-1] = replace(last, ends=node.ends)
        else:
            joined.append(node)
    return joined


def parents(node: Node, there: Tree) -> list[Node]:
    """The meters a version's parent may mean; more than one only where a charger and an electricity meter share a code."""
    if node.parent is None:
        return []
    media = dict.fromkeys((node.medium, "electricity") if node.medium == "charger" else (node.medium,))
    return [there[medium, node.parent] for medium in media if (medium, node.parent) in there]


def parent(node: Node, there: Tree) -> Node | None:
    """The meter a version hangs behind."""
    return next(iter(parents(node, there)), None)


def children(there: Tree) -> dict[Key, list[Node]]:
    """The meters whose consumption is part of each meter's."""
    found: dict[Key, list[Node]] = defaultdict(list)
    for node in there.values():
        if node.role in SUMMED and (above := parent(node, there)) is not None:
            found[above.key].append(node)
    return found


def form(node: Node, there: Tree) -> Form:
    """How often each real meter counts in a meter: once itself, or as its formula says, through other virtual meters too."""
    if node.formula is None:
        return {node.key: 1}
    found: Form = defaultdict(int)
    for coefficient, code in node.formula.terms:
        for key, often in form(there[node.medium, code], there).items():
            found[key] += coefficient * often
    return {key: often for key, often in found.items() if often}


def mistakes(nodes: Iterable[Node]) -> list[tuple[Node, str]]:
    """Every version of one institution that does not fit its tree, and what to do. A stored tree has none."""
    found: dict[tuple[Any, str], tuple[Node, str]] = {}
    for _, _, there in spans(nodes):
        wrong = list(_misplaced(there)) or list(_circles(there)) or list(_miscounted(there))
        for node, text in wrong:
            found.setdefault((node.place, text), (node, text))
    return list(found.values())


def _misplaced(there: Tree) -> Iterator[tuple[Node, str]]:
    for node in there.values():
        above = parents(node, there)
        if node.role == "main" and node.parent is not None:
            yield node, "parent: a main meter has none; leave it empty, or make the meter a branch"
        elif node.role == "check" and node.parent is None:
            yield node, "parent: a check meter names the meter it checks"
        elif node.parent is not None and not above:
            yield node, f"parent: {node.parent!r} {_NOT_ALWAYS}"
        elif len(above) > 1:
            yield node, f"parent: {node.parent!r} is a charger and an electricity meter; give one of them another code"
        elif above and above[0].role == "check":
            yield node, f"parent: {node.parent!r} is a check meter, behind which nothing hangs"
        for _, code in node.formula.terms if node.formula else ():
            part = there.get((node.medium, code))
            if part is None:
                yield node, f"formula: {code!r} {_NOT_ALWAYS}"
            elif part.role == "check":
                yield node, f"formula: {code!r} is a check meter, which is never summed"


_NOT_ALWAYS: Final = (
    "is no meter of the institution and medium all the time this line holds; let it begin no later and end no earlier"
)


def _circles(there: Tree) -> Iterator[tuple[Node, str]]:
    above = {node.key: [one.key for one in parents(node, there)] for node in there.values()}
    parts = {node.key: [(node.medium, code) for _, code in node.formula.terms] if node.formula else [] for node in there.values()}
    for column, edges in (("parent", above), ("formula", parts)):
        for key in _on_a_circle(edges):
            yield there[key], f"{column}: leads back to {key[1]!r} itself; a meter cannot be part of itself"


def _on_a_circle(edges: Mapping[Key, list[Key]]) -> list[Key]:
    """What can be reached from itself: all that is left where ends without further edges are taken away, from both sides."""
    left = {key: set(targets) for key, targets in edges.items()}
    while True:
        reached = {target for targets in left.values() for target in targets}
        kept = {key: targets & left.keys() for key, targets in left.items() if targets & left.keys() and key in reached}
        if kept == left:
            return list(kept)
        left = kept


def _miscounted(there: Tree) -> Iterator[tuple[Node, str]]:
    virtual = [node for node in there.values() if node.formula]
    if not virtual:
        return
    forms = {node.key: form(node, there) for node in there.values()}
    for node in virtual:
        often = forms[node.key]
        if not often:
            yield node, "formula: its meters cancel each other out; nothing is left"
        elif max(map(abs, often.values())) > MAX_COEFFICIENT:
            yield node, f"formula: through other virtual meters a meter counts more than {MAX_COEFFICIENT} times"
    mains: dict[str, list[Node]] = defaultdict(list)
    for node in there.values():
        if node.role == "main":
            mains[node.medium].append(node)
    for siblings in (*mains.values(), *children(there).values()):
        yield from _counted_twice(siblings, forms)


def _counted_twice(siblings: Iterable[Node], forms: Mapping[Key, Form]) -> Iterator[tuple[Node, str]]:
    siblings = list(siblings)
    often = Counter(key for node in siblings for key, coefficient in forms[node.key].items() if coefficient > 0)
    for node in siblings:
        for key in forms[node.key] if node.formula else ():
            if forms[node.key][key] > 0 and often[key] > 1:
                beside = "main meters" if node.role == "main" else f"what hangs behind {node.parent!r}"
                yield node, f"formula: {key[1]!r} would count twice among {beside}; hang it behind this meter, or leave it out"
