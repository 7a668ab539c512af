"""The registry in memory: who may publish what, and on which channel a register lands.

A million meters fit: paths are numbered once for this registry and those after it, and everything else is compact columns
(docs/adr/0009-registry-in-columns.md). A row is one version of a meter; a meter whose institution, gateway or code changed has
several, each valid from one instant to another.
"""

from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final, NamedTuple, TypeVar

from ingest.metering.registers import INTEGER_LIMIT
from ingest.topics import TopicName
from schemas.registers import REGISTERS, Kind

Named = TypeVar("Named")
ABSENT: Final = -1
USUAL_DECIMALS: Final = 3
CANARY: Final = ("meterwarden", "electricity", "canary")
"""Institution, medium and code of the meter every registry knows: our own (ingest/canary.py)."""
CANARY_CHANNEL: Final = 0
"""Belongs to no registered meter: stored, and nothing is derived from it."""


class Face(NamedTuple):
    """What a register can show: its decimals, and what its values must stay below, in the channel's integers."""

    decimals: int
    limit: int


class RegisteredMeter(NamedTuple):
    """One version of a meter. `digits` is 0 where any value may show; `channels`: name, number, decimals."""

    institution: str
    medium: str
    code: str
    gateway: str | None
    meter: int
    valid_from_us: int
    valid_to_us: int
    digits: int
    channels: list[tuple[str, int, int]]


class Versions(NamedTuple):
    """Versions of meters in columns, as storage reads them: what stands at one place of each belongs to one version."""

    paths: Sequence[str]
    """`institution/medium/code`."""
    gateways: Sequence[str | None]
    """`institution/code`."""
    displays: Sequence[str]
    """Digits, and name and decimals of each register, with a blank between: `6 energy_import_kwh 3 power_kw 3`."""
    meters: Iterable[int]
    valid_from_us: Iterable[int]
    valid_to_us: Iterable[int]
    channels: Sequence[int]
    """Of the first version's registers as its display names them, then of the second's, and so on."""


_CANARY_METER: Final = RegisteredMeter(
    *CANARY, None, 0, -(2**63), 2**63 - 1, 0, [("energy_import_kwh", CANARY_CHANNEL, USUAL_DECIMALS)]
)
_NO_REGISTER: Final = (ABSENT, Face(0, 0))
_WIDTH: Final = 4
_FROM, _TO, _DISPLAY, _CHANNEL = range(_WIDTH)
"""What stands side by side of a version: valid from and to, the number of its display, the channel of its first register."""
_Place = tuple["array[int]", int, int, Face]
"""A register's channels: the column, how far a version's stands from the next one's, where the first stands; and the face."""


class Registry:
    """Look-ups for one version of the registry; never changed after it is filled."""

    def __init__(self, version: int, meters: Iterable[RegisteredMeter] = (), *, after: "Registry | None" = None) -> None:
        """Fill from versions of meters, in any order. `after`: the one before, maybe still in use; paths are kept once for both."""
        self.version = version
        self._seal = object()  # another one whenever something comes in: what topics remember holds no registry alive
        self._paths: dict[str, int] = after._shared() if after else {}
        self._known = 0
        self._newest = array("i")  # by the path's number: a version of the meter, or ABSENT
        self._next = array("i")  # another version of the same meter, or ABSENT
        self._gateways = _Numbers[str | None]({None: ABSENT})
        self._gateway = array("i")
        self.meter = array("i")
        self._usual = array("q")  # what nearly every reading asks for, of a version side by side: one look into cold memory
        self._display_numbers = _Numbers[str]()
        self._displays: list[dict[str, _Place]] = []  # few and distinct: a number stands for each
        self._channels: list[array[int]] = []  # of the second register that a display names, of the third, ...
        self.extend(_in_columns([_CANARY_METER, *meters]))

    def __len__(self) -> int:
        """How many meters are known, beside our own."""
        return self._known - 1

    def gateway(self, institution: str, code: str) -> int:
        """The number of a gateway; ABSENT where no meter is registered under it."""
        return self._gateways.get(f"{institution}/{code}", ABSENT)

    def row(self, path: str, read_at_us: int) -> int | None:
        """The version of a meter in force at an instant, by `institution/medium/code`; None: unknown, ABSENT: not then."""
        try:
            row = newest = self._newest[self._paths[path]]
        except (KeyError, IndexError):  # a path that only the next registry knows has a number beyond ours
            return None
        usual = self._usual
        while row >= 0:
            if usual[row * _WIDTH + _FROM] <= read_at_us < usual[row * _WIDTH + _TO]:
                return row
            row = self._next[row]
        return None if newest == ABSENT else ABSENT

    def row_of(self, topic: TopicName, read_at_us: int) -> int | None:
        """`row` of a topic's own path; the topic remembers it, for among a million meters no processor's cache holds where to look.

        Measured at 8,000 messages/s of as many meters: 3 of 22 us were that look-up.
        """
        if topic.sought_by is not self._seal:
            number = self._paths.get(topic.path, len(self._newest))
            topic.newest = self._newest[number] if number < len(self._newest) else ABSENT
            topic.sought_by = self._seal
        row, usual = topic.newest, self._usual
        if row >= 0 and usual[row * _WIDTH + _FROM] <= read_at_us < usual[row * _WIDTH + _TO]:
            return row
        return self.row(topic.path, read_at_us)

    def is_under(self, row: int, gateway: int) -> bool:
        """Whether a gateway may speak for a meter."""
        return gateway != ABSENT and self._gateway[row] == gateway

    def register(self, row: int, name: str) -> tuple[int, Face]:
        """The channel of a register, ABSENT where the meter has none registered, and what its values may be."""
        try:
            column, width, place, face = self._displays[self._usual[row * _WIDTH + _DISPLAY]][name]
        except KeyError:
            return _NO_REGISTER
        return column[row * width + place], face

    def extend(self, versions: Versions) -> None:
        """Take versions in while the registry is being filled. In columns a million take 0.7 s."""
        self._seal = object()
        self._find_by(versions.paths)
        self._gateway.extend(map(self._gateways.__getitem__, versions.gateways))
        self.meter.extend(versions.meters)
        displays = array("q", map(self._display_numbers.__getitem__, versions.displays))
        self._displays += map(self._new_display, list(self._display_numbers)[len(self._displays) :])
        first, *further = _by_place(
            versions.channels, [len(self._displays[display]) for display in displays], 1 + len(self._channels)
        )
        for column, channels in zip(self._channels, further, strict=True):
            column.extend(channels)
        begin = len(self._usual)
        self._usual.extend(array("q", bytes(_WIDTH * self._usual.itemsize * len(displays))))
        for place, values in (
            (_FROM, versions.valid_from_us),
            (_TO, versions.valid_to_us),
            (_DISPLAY, displays),
            (_CHANNEL, first),
        ):
            self._usual[begin + place :: _WIDTH] = array("q", values)

    def _find_by(self, paths: Sequence[str]) -> None:
        numbers, newest, following = self._paths, self._newest, self._next
        newest.extend(array("i", [ABSENT]) * (len(numbers) - len(newest)))  # what other registries know
        for row, path in enumerate(paths, len(following)):
            number = numbers.get(path)
            if number is None:
                numbers[path] = len(newest)
                newest.append(row)
                following.append(ABSENT)
                self._known += 1
            else:
                following.append(newest[number])
                self._known += newest[number] == ABSENT
                newest[number] = row

    def _shared(self) -> dict[str, int]:
        """Our paths, to be added to by the next registry; none where most are of meters that are gone."""
        return self._paths if len(self._paths) <= 2 * len(self) else {}

    def _new_display(self, text: str) -> dict[str, "_Place"]:
        """By register: where its channels stand, and its face."""
        digits, *registers = text.split(" ")
        while len(self._channels) < len(registers) // 2 - 1:
            self._channels.append(array("i", [ABSENT]) * (len(self._usual) // _WIDTH))
        places = [(self._usual, _WIDTH, _CHANNEL), *((column, 1, 0) for column in self._channels)]
        named = zip(registers[::2], map(int, registers[1::2]), places, strict=False)
        return {name: (*place, _face(name, int(digits), decimals)) for name, decimals, place in named}


def _by_place(channels: Sequence[int], lengths: Sequence[int], places: int) -> list[Iterable[int]]:
    """Of each version so many channels: the first of each, the second of each, ...; ABSENT where it has none there."""
    ends = list(accumulate(lengths))

    def of(place: int) -> Iterable[int]:
        return (channels[end - length + place] if place < length else ABSENT for end, length in zip(ends, lengths, strict=True))

    return [of(place) for place in range(places)]


class _Numbers(dict[Named, int]):
    """Counts up: whatever is asked for the first time has the next number."""

    def __missing__(self, key: Named) -> int:
        number = self[key] = len(self)
        return number


def _in_columns(meters: Sequence[RegisteredMeter]) -> Versions:
    return Versions(
        [f"{meter.institution}/{meter.medium}/{meter.code}" for meter in meters],
        [meter.gateway and f"{meter.institution}/{meter.gateway}" for meter in meters],
        [" ".join([str(meter.digits), *(f"{name} {decimals}" for name, _, decimals in meter.channels)]) for meter in meters],
        [meter.meter for meter in meters],
        [meter.valid_from_us for meter in meters],
        [meter.valid_to_us for meter in meters],
        [channel for meter in meters for _, channel, _ in meter.channels],
    )


def _face(register: str, digits: int, decimals: int) -> Face:
    """A cumulative register of so many digits cannot show its modulus or more."""
    if digits == 0 or REGISTERS[register].kind is not Kind.CUMULATIVE:
        return Face(decimals, INTEGER_LIMIT)
    return Face(decimals, int(10 ** (digits + decimals)))
