"""Topic name -> institution, medium, device, kind."""

import re
from typing import Final, Literal, NamedTuple

from ingest.errors import Reason, Rejection
from schemas.reading import CODE

_CODE: Final = re.compile(CODE).fullmatch

Kind = Literal["reading", "readings", "session"]


class TopicName(NamedTuple):
    """What a native topic name says; for a gateway's readings `medium` is `gateway`."""

    kind: Kind
    institution: str
    medium: str
    device: str


def parse(topic: str) -> TopicName:
    """The parts of a native topic name. Raises Rejection (unknown_topic) for any other."""
    name = _split(topic)
    if name is None or not _CODE(name.institution) or not _CODE(name.device):
        raise Rejection(Reason.UNKNOWN_TOPIC, f"no reading, readings or session topic with proper codes: {topic!r}")
    return name


def _split(topic: str) -> TopicName | None:
    match topic.split("/"):
        case ["metering", institution, ("electricity" | "water" | "charger") as medium, device, "reading"]:
            return TopicName("reading", institution, medium, device)
        case ["metering", institution, "gateway", device, "readings"]:
            return TopicName("readings", institution, "gateway", device)
        case ["metering", institution, "charger", device, "session"]:
            return TopicName("session", institution, "charger", device)
    return None
