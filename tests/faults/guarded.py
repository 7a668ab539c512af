"""A broker guarded by mosquitto's own dynamic security plugin: what it allows is changed while it runs, by an administrator."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ingest.stack import Mosquitto, Programs, places
from tests.published import client
from tests.running import own_broker

ADMINISTRATOR = "simulator"
CONTROL = "$CONTROL/dynamic-security/v1"
ALLOWED = {"publishClientSend": True, "publishClientReceive": True, "subscribe": True, "unsubscribe": True}
"""At first nothing is denied; passwords stay with the broker's password file."""


@contextmanager
def guarded_broker(programs: Programs) -> Iterator[Mosquitto]:
    """A broker of the test's own, not started yet, whose access rules are the plugin's alone."""
    with own_broker(programs) as broker:
        rules = {
            "defaultACLAccess": ALLOWED,
            "roles": [{"rolename": "admin", "acls": [{"acltype": "publishClientSend", "topic": "$CONTROL/#", "allow": True}]}],
            "clients": [{"username": "ingest"}, {"username": ADMINISTRATOR, "roles": [{"rolename": "admin"}]}],
        }
        kept = places.write(broker.directory / "dynamic-security.json", json.dumps(rules), 0o600)
        [plugin] = programs.root.glob("usr/lib/*/mosquitto_dynamic_security.so")
        path = broker.directory / "mosquitto.conf"
        lines = [line for line in path.read_text().splitlines() if not line.startswith("acl_file")]
        places.write(path, "\n".join([*lines, f"plugin {plugin}", f"plugin_opt_config_file {kept}", ""]))
        yield broker


async def administer(broker: Mosquitto, command: str, **arguments: Any) -> None:
    """Run one command of the plugin; it holds when this returns."""
    async with client(broker, ADMINISTRATOR) as administrator:
        await administrator.publish(CONTROL, json.dumps({"commands": [{"command": command, **arguments}]}), qos=1)


async def allow_subscribing(broker: Mosquitto, allow: bool) -> None:
    """Whether anybody may subscribe to anything."""
    await administer(broker, "setDefaultACLAccess", acls=[{"acltype": "subscribe", "allow": allow}])
