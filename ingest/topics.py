"""Topic name -> institution, medium, device, kind."""

import re
from dataclasses import dataclass, field
from sys import intern
from typing import Final, Literal

from ingest.errors import Reason, Rejection
from schemas.reading import CODE

_CODE: Final = re.compile(CODE).fullmatch

Kind = Literal["reading", "readings", "session"]


REMEMBERED: Final = 2**16
"""Topics, some 30 MB at most: only proper ones are remembered, and their codes are short."""


@dataclass(slots=True)
class TopicName:
    """What a native topic name says; for a gateway's readings `medium` is `gateway`. `path`: institution/medium/device."""

    kind: Kind
    institution: str
    medium: str
    device: str
    path: str
    newest: int = field(default=-1, compare=False)
    """The registry's: where it has found the path (`Registry.row_of`)."""
    sought_by: object = field(default=None, compare=False)
    """The registry's: by which one that was sought."""


_remembered: dict[str, TopicName] = {}
"""Emptied when full. Measured with a million meters: `lru_cache` looks at four more places in cold memory to keep its order."""


def parse(topic: str) -> TopicName:
    """The parts of a native topic name. Raises Rejection (unknown_topic) for any other."""
    name = _remembered.get(topic)
    return _parsed(topic) if name is None else name


def _parsed(topic: str) -> TopicName:
    name = _split(topic)
    if name is None or not _CODE(name.institution) or not _CODE(name.device):
        raise Rejection(Reason.UNKNOWN_TOPIC, f"no reading, readings or session topic with proper codes: {topic!r}")
    if len(_remembered) >= REMEMBERED:
        _remembered.clear()
    _remembered[topic] = name
    return name


def _split(topic: str) -> TopicName | None:
    match topic.split("/"):
        case ["metering", institution, ("electricity" | "water" | "charger") as medium, device, "reading"]:
            return _name("reading", institution, medium, device)
        case ["metering", institution, "gateway", device, "readings"]:
            return _name("readings", institution, "gateway", device)
        case ["metering", institution, "charger", device, "session"]:
            return _name("session", institution, "charger", device)
    return None


def _name(kind: Kind, institution: str, medium: str, device: str) -> TopicName:
    return TopicName(kind, intern(institution), intern(medium), device, f"{institution}/{medium}/{device}")
