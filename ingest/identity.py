"""Who may speak for a meter: the topic, the payload and the registry must agree. Pure.

The broker's access list ties a client to the institution in its topics; here the payload is held against the topic, and both
against the registry as it was when the reading was taken.
"""

from typing import NamedTuple

from ingest.errors import Reason, Rejection
from ingest.metering.calendar import Instant, moment
from ingest.registry import ABSENT, Registry
from ingest.topics import TopicName


class OfMeter(NamedTuple):
    """Identity of readings on a meter's own topic: the payload may repeat who it is, and must then agree."""

    topic: TopicName
    registry: Registry

    def row(self, institution: str | None, _: str, meter: str | None, read_at: Instant) -> tuple[str, int]:
        """Path and registry row of the meter that a reading names as its own. Raises Rejection."""
        topic = self.topic
        if institution is not None and institution != topic.institution:
            raise _disagree("institution", institution, topic.institution)
        if meter is not None and meter != topic.device:
            raise _disagree("meter", meter, topic.device)
        return topic.path, known(self.registry, topic.path, read_at)


class OfGateway(NamedTuple):
    """Identity of readings in a gateway's batch: the meters must be registered under that gateway."""

    topic: TopicName
    gateway: int
    registry: Registry

    def row(self, institution: str | None, medium: str, meter: str | None, read_at: Instant) -> tuple[str, int]:
        """Path and registry row of the meter that a reading names as its own. Raises Rejection."""
        own = self.topic.institution
        if institution is not None and institution != own:
            raise _disagree("institution", institution, own)
        path = f"{own}/{medium}/{meter}"
        row = known(self.registry, path, read_at)
        if not self.registry.is_under(row, self.gateway):
            raise Rejection(Reason.IDENTITY_MISMATCH, f"{path} is not registered under gateway {self.topic.device!r}")
        return path, row


Identify = OfMeter | OfGateway


def identify_by(topic: TopicName, registry: Registry) -> Identify:
    """How the readings of a topic are tied to meters."""
    if topic.kind == "readings":
        return OfGateway(topic, registry.gateway(topic.institution, topic.device), registry)
    return OfMeter(topic, registry)


def known(registry: Registry, path: str, read_at: Instant) -> int:
    """The registry row of a meter at an instant. Raises Rejection."""
    row = registry.row(path, read_at)
    if row is None:
        raise Rejection(Reason.UNKNOWN_METER, f"{path} is not registered", path)
    if row == ABSENT:
        raise Rejection(Reason.IDENTITY_MISMATCH, f"{path} is registered, but not for {moment(read_at).isoformat()}")
    return row


def _disagree(what: str, stated: str, topic: str) -> Rejection:
    return Rejection(Reason.IDENTITY_MISMATCH, f"the payload names {what} {stated!r}, the topic {topic!r}")
