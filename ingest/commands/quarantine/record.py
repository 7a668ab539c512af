"""A message as a JSON object: what is no text is in base64, and only ASCII leaves the process. Pure."""

import base64
import json
from typing import Any

from ingest.commands.quarantine.escaped import text_or_none
from ingest.storage.quarantine.kept import Kept


def line(message: Kept) -> str:
    """One line of JSON; the payload in base64, and as text where it is UTF-8, if it was read."""
    return json.dumps(_record(message))


def _record(message: Kept) -> dict[str, Any]:
    columns: dict[str, Any] = {
        **message._asdict(),
        "key": message.key.hex(),
        "topic": text_or_none(message.topic),
        "topic_base64": _base64(message.topic),
        "received_at": message.received_at.isoformat(),
        "resolved_at": message.resolved_at and message.resolved_at.isoformat(),
    }
    payload = columns.pop("payload")
    if payload is not None:
        columns |= {"payload_text": text_or_none(payload), "payload_base64": _base64(payload)}
    return columns


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
