"""/metrics, /livez, /readyz.

Live: the event loop turns. Ready: connected and subscribed, and the database answers and has our structure. Liveness never depends
on the database: a restart would mend nothing.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

Conditions = Callable[[], Mapping[str, bool]]
"""What readiness needs, by name."""


@asynccontextmanager
async def serve(host: str, port: int, registry: CollectorRegistry, conditions: Conditions) -> AsyncIterator[int]:
    """Serve for the length of a block; yields the port (a free one where `port` is 0)."""
    application = web.Application()
    application.add_routes(
        [
            web.get("/livez", _live),
            web.get("/readyz", lambda _: _ready(conditions)),
            web.get("/metrics", lambda _: _metrics(registry)),
        ]
    )
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _live(_: web.Request) -> web.Response:
    return web.json_response({"live": True})


async def _ready(conditions: Conditions) -> web.Response:
    found = dict(conditions())
    return web.json_response({"ready": all(found.values()), **found}, status=200 if all(found.values()) else 503)


async def _metrics(registry: CollectorRegistry) -> web.Response:
    return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
