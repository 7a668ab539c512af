"""Birth and will of a gateway, version 1: both carry the same `connected_at`; the newest one counts."""

from typing import Literal

from schemas.reading import ReadAt, Wire


class GatewayStatus(Wire):
    """`online` when the gateway connects, `offline` as its will; retained by the broker."""

    status: Literal["online", "offline"]
    connected_at: ReadAt
