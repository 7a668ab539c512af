"""`meterwarden check`, run as operators run it, with settings of the test's own."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from ingest.cli import main
from ingest.stack import Mosquitto, free_port
from tests.databases import Database


def environment(database: Database, broker: Mosquitto, directory: Path, **more: object) -> dict[str, str]:
    """Settings with which everything is well, and what a test has otherwise."""
    password = directory / "broker.password"
    password.write_text(broker.password("ingest"), encoding="utf-8")
    password.chmod(0o600)
    given = {
        "database__url": database.writer_url, "broker__port": broker.port, "broker__username": "ingest",
        "broker__password_file": password, "broker__client_identifier": f"check-{secrets.token_hex(4)}", "http__port": free_port(),
        **more,
    }  # fmt: skip
    return {"LC_ALL": "C.UTF-8", **{f"METERWARDEN_{name.upper()}": str(value) for name, value in given.items()}}


async def run(settings: Mapping[str, str], *arguments: str) -> Result:
    """The command, in a thread, since it has an event loop of its own."""
    return await asyncio.to_thread(partial(CliRunner().invoke, main, ["check", *arguments], env=settings))


async def checked(settings: Mapping[str, str], status: int = 0) -> dict[str, dict[str, Any]]:
    """Every check by name, as --json tells it; AssertionError where the exit status is another."""
    result = await run(settings, "--json")
    assert result.exit_code == status, result.output
    facts = json.loads(result.stdout)
    assert facts["ok"] is (status == 0)
    for one in facts["checks"]:
        assert (one["state"] == "ok") == (one["remedy"] is None), f"what is not ok says what to do: {one}"
    return {one["check"]: one for one in facts["checks"]}


async def failure(settings: Mapping[str, str], name: str) -> dict[str, Any]:
    """The only check that fails."""
    found = await checked(settings, 1)
    assert [name] == [check for check, one in found.items() if one["state"] == "failed"]
    return found[name]
