"""Meters as trees: what does not fit is found, and every sum of a tree holds each meter exactly as often as it should."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.metering.formula import parse
from ingest.metering.sub_items import EXCLUSIONS, SUB_ITEMS, exclusions
from ingest.metering.sums import Registers, Sum, sums
from ingest.metering.tree import Key, Node, mistakes, spans

ALWAYS = (0, 1000)
ALL_THE_TIME = "is no meter of the institution and medium all the time this line holds; let it begin no later and end no earlier"


def node(code: str, role: str = "main", parent: str | None = None, sub_item: str | None = None, **other: Any) -> Node:
    """A version of an electricity meter, always in force."""
    formula = other.pop("formula", None)
    begins, ends = other.pop("at", ALWAYS)
    medium = other.pop("medium", "electricity")
    made_of = None if formula is None else parse(formula)
    return Node(medium, code, role, parent, sub_item, begins, ends, made_of, place=code, **other)


def _said(nodes: Iterable[Node]) -> list[str]:
    return [f"{one.code}: {text}" for one, text in mistakes(nodes)]


SCHOOL = [
    node("E1"),
    node("E2", "branch", "E1", "A"),
    node("E3", "branch", "E1", "D"),
    node("E4", "sub", "E3", "D1"),
    node("E5", "sub", "E4"),
    node("E9", "check", "E1"),
    node("C1", "sub", "E1", "D6", medium="charger", access="public"),
]
"""E1 = lighting E2 + special E3 (with the data room E4, and E5 in it) + the charger C1 + what is not metered; E9 repeats E1."""


def test_a_tree_with_everything_in_it_has_no_mistake() -> None:
    """Main, branches, subs of subs, a check meter, a charger behind electricity, virtual meters over all of it."""
    rest = node("V1", "branch", "E1", "C", formula="E1 - E2 - E3")
    assert [] == _said([*SCHOOL, node("W1", medium="water")])
    assert [] == _said([*SCHOOL[:3], rest])
    assert [] == _said([node("V1", formula="E1 + E2"), node("E1", "branch", "V1"), node("E2", "branch", "V1")])


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([node("E1"), node("E2", parent="E1")], ["E2: parent: a main meter has none; leave it empty, or make the meter a branch"]),
        ([node("E1", "check")], ["E1: parent: a check meter names the meter it checks"]),
        ([node("E1", "sub", "E1")], ["E1: parent: leads back to 'E1' itself; a meter cannot be part of itself"]),
        ([node("E1", "sub", "E2"), node("E2", "sub", "E1"), node("E3", "sub", "E2")],
         [f"{code}: parent: leads back to {code!r} itself; a meter cannot be part of itself" for code in ("E1", "E2")]),
        ([node("E1"), node("E2", "check", "E1"), node("E3", "sub", "E2")],
         ["E3: parent: 'E2' is a check meter, behind which nothing hangs"]),
        ([node("E1", at=(10, 1000)), node("E2", "sub", "E1")],
         [f"E2: parent: 'E1' {ALL_THE_TIME}"]),
        ([node("E1", medium="water"), node("E2", "sub", "E1")],
         [f"E2: parent: 'E1' {ALL_THE_TIME}"]),
        ([node("C1", medium="charger"), node("C1"), node("C2", "sub", "C1", medium="charger")],
         ["C2: parent: 'C1' is a charger and an electricity meter; give one of them another code"]),
        ([node("E1"), node("V1", "sub", "E1", formula="E7")],
         [f"V1: formula: 'E7' {ALL_THE_TIME}"]),
        ([node("E1"), node("E2", "check", "E1"), node("V1", "sub", "E1", formula="E1 - E2")],
         ["V1: formula: 'E2' is a check meter, which is never summed"]),
        ([node("V1", formula="V2"), node("V2", "sub", formula="- V1"), node("V3", "sub", formula="V1")],
         [f"{code}: formula: leads back to {code!r} itself; a meter cannot be part of itself" for code in ("V1", "V2")]),
        ([node("E1", "sub"), node("V1", "sub", formula="E1 + V2"), node("V2", "sub", formula="- E1")],
         ["V1: formula: its meters cancel each other out; nothing is left"]),
        ([node("E1", "sub"), node("V1", "sub", formula="50*E1"), node("V2", "sub", formula="50*V1")],
         ["V2: formula: through other virtual meters a meter counts more than 100 times"]),
        ([node("E1"), node("E2", "sub"), node("V1", formula="E1 + E2")],
         ["V1: formula: 'E1' would count twice among main meters; hang it behind this meter, or leave it out"]),
        ([node("E1"), node("E2", "sub", "E1"), node("V1", "sub", "E1", formula="2*E2")],
         ["V1: formula: 'E2' would count twice among what hangs behind 'E1'; hang it behind this meter, or leave it out"]),
    ],
    ids=lambda case: case[0][:50] if case and isinstance(case[0], str) else "",
)  # fmt: skip
def test_what_does_not_fit_a_tree_is_named(nodes: list[Node], expected: list[str]) -> None:
    """The meter, the column, what is wrong and what to do."""
    assert sorted(expected) == sorted(_said(nodes))


def test_versions_are_judged_at_their_time() -> None:
    """E2 was behind E1, and E1 is behind E2 since: never both at once."""
    assert [] == _said([
        node("E1", at=(0, 10)), node("E2", "sub", "E1", at=(0, 10)), node("E2", at=(10, 20)), node("E1", "sub", "E2", at=(10, 20)),
    ])  # fmt: skip


def _sums(nodes: list[Node], net: Iterable[tuple[int, int]] = (), excluded: Iterable[str] = ()) -> dict[tuple[str, ...], Sum]:
    registers = _registers(nodes)
    found = sums(nodes, registers, net, [exclusions(text) for text in excluded])
    return {(one.kind, one.name, *([one.part] if one.part else [])): one for one in found}


def _registers(nodes: Iterable[Node]) -> dict[Key, Registers]:
    """Channels are the number in the code: E4 has channel 4, and 104 for what flows back."""
    return {one.key: Registers(_number(one), 100 + _number(one)) for one in nodes if not one.formula}


def _number(of: Node) -> int:
    return int(of.code[1:]) + (50 if of.medium == "charger" else 0)


def test_each_kilowatt_hour_stands_in_one_sub_item() -> None:
    """Where the lowest meter saw it: special D is E3 less its data room, and E5 inherits the room's D1."""
    found = _sums(SCHOOL)

    assert ((1, 1), (2, -1), (3, -1), (51, -1)) == found["gap", "E1"].terms == found["sub_item", ""].terms
    assert ((3, 1), (4, -1)) == found["gap", "E3"].terms == found["sub_item", "D"].terms
    assert ((4, 1),) == found["sub_item", "D1"].terms
    assert ((2, 1),) == found["sub_item", "A"].terms
    assert ((51, 1),) == found["sub_item", "D6"].terms
    assert ((1, 1),) == found["total", "E1"].terms
    assert ("gap", "E9") not in found


def test_the_rest_as_a_virtual_meter_leaves_no_gap() -> None:
    """What cancels out stays with 0, so that the gap is known only where all of it is."""
    found = _sums([*SCHOOL[:3], node("V1", "branch", "E1", "C", formula="E1 - E2 - E3")])

    assert ((1, 0), (2, 0), (3, 0)) == found["gap", "E1"].terms == found["sub_item", ""].terms
    assert ((1, 1), (2, -1), (3, -1)) == found["virtual", "V1"].terms == found["sub_item", "C"].terms


def test_what_flowed_back_is_taken_off_in_its_time() -> None:
    """A net rule from day 10 to 20; a virtual main takes off what flowed back through its parts."""
    main = node("V6", formula="E1 - 2*E2")
    parts = [node("E1", "branch", "V6"), node("E2", "sub", "E1")]
    totals = [one for one in sums([main, *parts], _registers(parts), [(10, 20)], []) if one.kind == "total"]

    gross, net = ((1, 1), (2, -2)), ((1, 1), (2, -2), (101, -1), (102, 2))
    assert [(gross, 0, 10), (net, 10, 20), (gross, 20, 1000)] == [(one.terms, one.first, one.until) for one in totals]


def test_what_is_left_out_is_left_out_once() -> None:
    """D leaves out E3 with all behind it, so D1 adds nothing; a charger is no sub-item of anything but itself."""
    found = _sums(SCHOOL, excluded=["D1", "D;D1", "charger;D1", "public_charger", "B"])

    assert ((4, 1),) == found["excluded", "D1", "D1"].terms
    assert ((3, 1), (51, 1)) == found["excluded", "D;D1", "D"].terms
    assert ("excluded", "D;D1", "D1") not in found
    assert (
        ((51, 1),)
        == found["excluded", "D1;charger", "charger"].terms
        == found["excluded", "public_charger", "public_charger"].terms
    )
    assert not any(key[:2] == ("excluded", "B") for key in found)


def test_only_what_comes_through_a_main_meter_is_left_out() -> None:
    """A charger with a supply of its own is no part of the total, nor is a branch nobody placed, nor a check meter."""
    alone = [node("E1"), node("C1", "sub", None, "D6", medium="charger"), node("E2", "branch", None, "D1"),
             node("E3", "check", "E1", "D1")]  # fmt: skip
    found = _sums(alone, excluded=["D;charger"])

    assert [] == [key for key in found if key[0] == "excluded"]
    assert [("sub_item", "")] == [key for key in found if key[0] == "sub_item"]


def test_a_new_ratio_changes_no_sum() -> None:
    """Versions that differ in nothing of the tree give one sum through all of them."""
    found = sums([node("E1", at=(0, 5)), node("E1", at=(5, 9))], {("electricity", "E1"): Registers(1)}, [], [])

    assert {("total", 0, 9), ("sub_item", 0, 9)} == {(one.kind, one.first, one.until) for one in found}


@st.composite
def trees(draw: st.DrawFn) -> list[Node]:
    """Any number of mains with branches anywhere behind them, each version with times of its own inside its parent's."""
    nodes: list[Node] = []
    for number in range(draw(st.integers(1, 12))):
        above = draw(st.sampled_from([None, *nodes])) if nodes else None
        sub_item = draw(st.sampled_from([None, *SUB_ITEMS]))
        bounds = (above.begins, above.ends) if above else ALWAYS
        begins = draw(st.integers(bounds[0], bounds[1] - 1))
        ends = draw(st.integers(begins + 1, bounds[1]))
        role = "sub" if above else "main"
        nodes.append(node(f"E{number}", role, above and above.code, sub_item, at=(begins, ends)))
    return nodes


@given(trees(), st.sets(st.sampled_from(EXCLUSIONS), max_size=3))
def test_sub_items_add_up_to_the_mains_on_every_day_and_exclusions_are_part_of_them(nodes: list[Node], names: set[str]) -> None:
    """Whatever the tree and its changes: coefficient by coefficient, so for any readings; and nothing is left out twice."""
    assert [] == _said(nodes)
    found = sums(nodes, _registers(nodes), [], [exclusions(";".join(names))])
    for day, there in ((begins, there) for begins, _, there in spans(nodes)):
        counted: dict[str, Counter[int]] = defaultdict(Counter)
        for one in found:
            if one.first <= day < one.until:
                for channel, often in one.terms:
                    counted[one.kind][channel] += often
        mains = {_number(one): 1 for one in there.values() if one.role == "main"}
        assert mains == {channel: often for channel, often in counted["sub_item"].items() if often}
        assert mains == dict(counted["total"])
        assert set(counted["excluded"].values()) <= {1}


@given(trees())
def test_spans_of_one_sum_never_overlap(nodes: list[Node]) -> None:
    """Or a day would count twice."""
    found: dict[tuple[str, ...], list[Sum]] = defaultdict(list)
    for one in sums(nodes, _registers(nodes), [(3, 40), (200, 500)], []):
        found[one.kind, one.medium, one.name, one.part].append(one)
    for several in found.values():
        ordered = sorted(several, key=lambda one: one.first)
        assert all(one.until <= two.first and (one.until < two.first or one.terms != two.terms) for one, two in pairwise(ordered))


def test_exclusions_are_named_in_one_order() -> None:
    """So that a text compares; what does not exist is refused."""
    assert ("D1", "charger") == exclusions(" charger ; D1;D1;")
    with pytest.raises(ValueError, match="unknown exclusion 'E1': use sub-items"):
        exclusions("D1;E1")
