"""What our session at the broker is subscribed to: wanted, remembered, and changed without a gap.

A lone worker subscribes plainly; workers that share the load subscribe as a group (docs/adr/0006). MQTT has no list call, so what
the session holds is remembered in the database before it holds.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import mqtt5

from ingest.broker.connection import Connection, Disconnected
from ingest.errors import Unavailable
from ingest.settings import BrokerSettings

KeepFilters = Callable[[Sequence[str]], Awaitable[None]]
"""Remembers the filters of our client identifier. Raises Unavailable."""
FAILURE: Final = 0x80
"""Reason codes from here on are refusals."""


class Subscriptions:
    """The filters our session holds, and those it should."""

    def __init__(self, settings: BrokerSettings, known: Sequence[str], keep: KeepFilters, *, leaving: bool = False) -> None:
        """`known`: what the broker's session holds from earlier. `leaving`: from now on it should hold nothing."""
        prefix = f"$share/{settings.share_group}/" if settings.share_group else ""
        self.wanted = [] if leaving else [f"{prefix}{topic_filter}" for topic_filter in settings.filters]
        self.known = list(known)
        self._keep = keep

    async def establish(self, connection: Connection) -> None:
        """Subscribe what is wanted, then drop what earlier settings left: the overlap delivers twice, a gap would lose.

        Raises Disconnected, also where the broker refuses a filter.
        """
        former = [topic_filter for topic_filter in self.known if topic_filter not in self.wanted]
        await self._remember([*former, *self.wanted])
        if self.wanted:
            await self._subscribe(connection)
        if former:
            await connection.ask(mqtt5.UnsubscribePacket(1, former), mqtt5.UnsubAckPacket)
        await self._remember(self.wanted)

    async def _subscribe(self, connection: Connection) -> None:
        filters = [
            mqtt5.TopicFilter(
                topic_filter,
                max_qos=mqtt5.QoS.AT_LEAST_ONCE,
                retain_handling=mqtt5.RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS,  # once, not at every reconnect
            )
            for topic_filter in self.wanted
        ]
        suback = await connection.ask(mqtt5.SubscribePacket(2, filters), mqtt5.SubAckPacket)
        if len(suback.reason_codes) != len(filters):
            connection.close()
            raise Disconnected(
                f"{len(filters)} filters subscribed, {len(suback.reason_codes)} answered: the broker broke the protocol"
            )
        refused = [
            f"{name} ({code.name.lower()})"
            for name, code in zip(self.wanted, suback.reason_codes, strict=True)
            if int(code) >= FAILURE
        ]
        if refused:
            connection.close()
            raise Disconnected(f"subscription refused: {', '.join(refused)}; allow it in the broker's access list")

    async def _remember(self, filters: list[str]) -> None:
        """Keep what the broker's session may hold from now on, before it does; nothing to do where it is known already."""
        if set(filters) != set(self.known):
            try:
                await self._keep(filters)
            except Unavailable as error:
                raise Disconnected(f"filters not remembered: {error}") from error
            self.known = filters
