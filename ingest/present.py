"""The registry in use, and intake's decision with whichever that is at the moment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ingest.intake import AcceptWindow, assess
from ingest.messages import Assessed, Message
from ingest.registry import Registry
from ingest.settings import Settings


@dataclass(slots=True)
class Present:
    """The registry in use; workers replace it when its version moves."""

    registry: Registry


def assessor(present: Present, settings: Settings) -> Callable[[Sequence[Message]], list[Assessed]]:
    """`assess` with the registry in use and what the settings accept."""
    window = AcceptWindow(settings.intake.back_us, settings.intake.ahead_us)
    return lambda batch: assess(batch, present.registry, window, settings.intake.max_payload_bytes)
