"""The registry in memory: found as registered, by every registry for itself, in little memory."""

import random
import tracemalloc
from collections.abc import Iterable

from ingest import topics
from ingest.metering.registers import INTEGER_LIMIT
from ingest.registry import ABSENT, Face, RegisteredMeter, Registry, Versions, _in_columns

FOREVER = 2**63 - 1
MANY = 20_000
REGISTERS = ["energy_import_kwh", "power_kw", "volume_m3"]


def _meter(number: int, gateway: str | None = "G1", *, since: int = 0, until: int = FOREVER, registers: int = 1) -> RegisteredMeter:
    channels = [(name, 10 * number + place, place) for place, name in enumerate(REGISTERS[:registers])]
    return RegisteredMeter("I1", "electricity", _code(number), gateway, number, since, until, 6, channels)


def _code(number: int) -> str:
    return f"M{number:06}"


def _path(number: int) -> str:
    return f"I1/electricity/{_code(number)}"


def _known(registry: Registry, numbers: Iterable[int], at: int = 1) -> dict[int, int | None]:
    """The meter found under each path; None where the path is unknown, ABSENT where it is not valid then."""
    rows = {number: registry.row(_path(number), at) for number in numbers}
    return {number: row if row is None or row == ABSENT else registry.meter[row] for number, row in rows.items()}


def test_meters_with_more_and_fewer_registers_each_have_their_own_channels() -> None:
    """Whatever the order in which they come."""
    meters = [_meter(number, registers=registers) for number, registers in enumerate([1, 3, 0, 2, 3, 1])]
    for ordered in (meters, meters[::-1]):
        registry = Registry(1, ordered)
        for meter in ordered:
            row = registry.row(_path(meter.meter), 1)
            assert row is not None
            found = {name: registry.register(row, name) for name in REGISTERS}
            expected = {name: channel for name, channel, _ in meter.channels}
            assert {name: expected.get(name, ABSENT) for name in REGISTERS} == {
                name: channel for name, (channel, _) in found.items()
            }
            limits = {"energy_import_kwh": 10**6, "power_kw": INTEGER_LIMIT, "volume_m3": 10**8}
            assert all(found[name][1] == Face(decimals, limits[name]) for name, _, decimals in meter.channels)


def test_a_registry_and_the_next_one_each_know_their_own_meters() -> None:
    """The first is in use while the next is filled: it learns nothing; the next knows nothing of what is gone."""
    first = Registry(1, [_meter(number) for number in range(10)])
    following = Registry(2, [_meter(number, since=5) for number in range(2, 12)], after=first)

    assert {**{number: number for number in range(10)}, 10: None, 11: None} == _known(first, range(12), at=5)
    assert {0: None, 1: None, **{number: number for number in range(2, 12)}} == _known(following, range(12), at=5)
    assert {0: 0, 2: 2, 10: None} == _known(first, [0, 2, 10], at=4)
    assert {0: None, 2: ABSENT, 10: ABSENT} == _known(following, [0, 2, 10], at=4)
    assert (10, 10) == (len(first), len(following))


def test_registries_one_after_another_each_know_what_they_were_given(seed: int) -> None:
    """Meters come, go, return, split into versions and change gateways; two registries may follow the same one."""
    chance = random.Random(seed)
    present = Registry(0)
    for version in range(40):
        meters = []
        for number in chance.sample(range(60), chance.randrange(60)):
            cut = chance.randrange(1, 9)
            gateways = chance.choices(["G1", "G2", None], k=2)
            meters += [
                _meter(number, gateways[0], until=cut),
                _meter(number, gateways[1], since=cut + chance.randrange(3), until=10),
            ]
        chance.shuffle(meters)
        registry = Registry(version, meters, after=present)
        assert len({meter.meter for meter in meters}) == len(registry)
        for at in range(11):
            assert _given(meters, at) == _known(registry, range(60), at)
            for gateway in ("G1", "G2"):
                given = {one.meter for one in meters if one.gateway == gateway and one.valid_from_us <= at < one.valid_to_us}
                assert given == _under(registry, gateway, at)
        present = chance.choice([present, registry, registry])


def _given(meters: Iterable[RegisteredMeter], at: int) -> dict[int, int | None]:
    given: dict[int, int | None] = dict.fromkeys(range(60))
    for one in meters:
        if given[one.meter] in (None, ABSENT):
            given[one.meter] = one.meter if one.valid_from_us <= at < one.valid_to_us else ABSENT
    return given


def _under(registry: Registry, gateway: str, at: int) -> set[int]:
    rows = [(number, registry.row(_path(number), at)) for number in range(60)]
    number = registry.gateway("I1", gateway)
    return {meter for meter, row in rows if row is not None and row != ABSENT and registry.is_under(row, number)}


def test_a_later_block_may_bring_registers_that_no_earlier_one_had() -> None:
    """Channels stay with their meters across blocks."""
    registry = Registry(1)
    for number, names in enumerate((REGISTERS[:1], REGISTERS, [], REGISTERS[1:])):
        display = " ".join(["0", *(f"{name} 3" for name in names)])
        channels = [10 * number + place for place in range(len(names))]
        registry.extend(Versions([_path(number)], [None], [display], [number], [0], [FOREVER], channels))

    rows = [registry.row(_path(number), 1) for number in range(4)]
    found = [[registry.register(row, name)[0] for name in REGISTERS] for row in rows if row is not None]
    assert [[0, ABSENT, ABSENT], [10, 11, 12], [ABSENT] * 3, [ABSENT, 30, 31]] == found


def test_the_next_registry_takes_a_fraction_of_the_memory_of_the_first() -> None:
    """While both are held, as during a reload; and paths that are gone are not kept for ever."""
    tracemalloc.start()
    try:
        first = Registry(1, (_meter(number) for number in range(MANY)))
        one, _ = tracemalloc.get_traced_memory()
        following = Registry(2, (_meter(number) for number in range(MANY)), after=first)
        both, _ = tracemalloc.get_traced_memory()
        few = Registry(3, [_meter(1)], after=following)
        few = Registry(4, [_meter(1)], after=few)
        del first, following
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert one < 260 * MANY
    assert both < 1.35 * one
    assert left < 0.05 * one
    assert {1: 1, 2: None} == _known(few, [1, 2])


def test_what_a_topic_remembers_of_one_registry_is_nothing_to_another_nor_to_what_came_in_since() -> None:
    """One topic asked of three registries in turn, for instants in, before and after what each of them knows."""
    number = 3
    topic = topics.parse(f"metering/{_path(number)}/reading")
    registries = [
        Registry(1, [_meter(number, until=5), _meter(number, since=5)]),
        Registry(1, [_meter(0), _meter(1), _meter(number, since=4)]),
        Registry(1, [_meter(0)]),
    ]
    for at in (1, 4, 5, 9, 1):
        for registry in (*registries, *reversed(registries)):
            assert registry.row(topic.path, at) == registry.row_of(topic, at)
    empty = registries[-1]
    assert empty.row_of(topic, 1) is None
    empty.extend(_in_columns([_meter(number)]))
    assert empty.row(topic.path, 1) == empty.row_of(topic, 1) == 2
