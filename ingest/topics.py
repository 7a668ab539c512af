"""Topic name -> institution, medium, device, kind."""

from typing import Literal, NamedTuple

from ingest.errors import Reason, Rejection

Kind = Literal["reading", "readings", "session"]


class TopicName(NamedTuple):
    """What a native topic name says; for a gateway's readings `medium` is `gateway`."""

    kind: Kind
    institution: str
    medium: str
    device: str


def parse(topic: str) -> TopicName:
    """The parts of a native topic name. Raises Rejection (unknown_topic) for any other."""
    match topic.split("/"):
        case ["metering", institution, ("electricity" | "water" | "charger") as medium, device, "reading"]:
            return TopicName("reading", institution, medium, device)
        case ["metering", institution, "gateway", device, "readings"]:
            return TopicName("readings", institution, "gateway", device)
        case ["metering", institution, "charger", device, "session"]:
            return TopicName("session", institution, "charger", device)
    raise Rejection(Reason.UNKNOWN_TOPIC, f"no reading, readings or session topic: {topic!r}")
