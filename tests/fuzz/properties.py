"""Every property that is fuzzed, in one place: the test run and the long run take them from here."""

from collections.abc import Callable
from typing import Final, NamedTuple

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz import decoders, packets, payloads, sessions


class Property(NamedTuple):
    """What must hold, what is drawn for it, and how many draws a short run makes."""

    holds: Callable[..., None]
    drawn: tuple[st.SearchStrategy, ...]
    examples: int


PROPERTIES: Final = {
    "one verdict": Property(decoders.one_verdict, (payloads.payloads, payloads.odd_topics), 300),
    "nothing but rejections": Property(decoders.nothing_but_rejections, (payloads.payloads,), 200),
    "same however cut": Property(packets.same_however_cut, (packets.streams, packets.cuts), 150),
    "all that is proper arrives": Property(
        packets.all_that_is_proper_arrives, (st.lists(packets.publishes, max_size=6), packets.cuts), 50
    ),
    "a session survives": Property(sessions.survives, (sessions.scripts,), 12),
}


def check(name: str, seed_number: int, scale: float = 1, before_each: Callable[[], None] = lambda: None) -> int:
    """Draw examples of a property from the seed; returns how many. Whatever is raised comes from the smallest one."""
    one, count = PROPERTIES[name], 0

    def counted(drawn: tuple[object, ...]) -> None:
        nonlocal count
        count += 1
        before_each()
        one.holds(*drawn)

    limits = settings(
        max_examples=max(1, round(one.examples * scale)), deadline=None, database=None, print_blob=True,
        suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink),
    )  # fmt: skip
    counted.__name__ = name.replace(" ", "_")
    seed(seed_number)(limits(given(st.tuples(*one.drawn))(counted)))()
    return count
