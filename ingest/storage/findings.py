"""Findings in an operator's hands: listed, shown, acknowledged, closed. Every change of state is kept, with who and why."""

from dataclasses import dataclass
from typing import Any, Final

from psycopg.rows import dict_row

from ingest.settings import DatabaseSettings
from ingest.storage.connection import connected
from ingest.storage.queries import QUERIES

Row = dict[str, Any]

STATES: Final = ("open", "acknowledged", "closed", "withdrawn")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which findings: of an institution, a rule, in a state; at most so many. None is any."""

    institution: str | None = None
    rule: str | None = None
    state: str | None = None
    most: int = 50


@dataclass(frozen=True, slots=True)
class Change:
    """A change of state: `change` is what the history calls it."""

    state: str
    change: str
    author: str
    reason: str


async def board(settings: DatabaseSettings, wanted: Wanted) -> list[Row]:
    """Open findings by impact, at most three of a rule and institution. Raises Unavailable."""
    return await _rows(settings, "findings_board", _parameters(wanted))


async def all_findings(settings: DatabaseSettings, wanted: Wanted) -> list[Row]:
    """Findings in any state, the newest first. Raises Unavailable."""
    return await _rows(settings, "findings_all", _parameters(wanted))


async def named(settings: DatabaseSettings, name: str) -> list[Row]:
    """The findings whose name begins so, at most two. Raises Unavailable."""
    return await _rows(settings, "findings_named", {"name": name})


async def history(settings: DatabaseSettings, name: str) -> list[Row]:
    """What became of a finding, the oldest entry first. Raises Unavailable."""
    return await _rows(settings, "finding_past", {"name": name})


async def change(settings: DatabaseSettings, name: str, to: Change) -> bool:
    """Change a finding's state and note it; False where it is in that state already. Raises Unavailable."""
    parameters = {"name": name, "state": to.state, "change": to.change, "author": to.author, "reason": to.reason}
    async with connected(settings) as connection:
        cursor = await connection.execute(QUERIES["change_finding"], parameters)
        await connection.commit()
    return cursor.rowcount > 0


def _parameters(wanted: Wanted) -> Row:
    return {"institution": wanted.institution, "rule": wanted.rule, "state": wanted.state, "most": wanted.most}


async def _rows(settings: DatabaseSettings, query: str, parameters: Row) -> list[Row]:
    async with connected(settings) as connection, connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(QUERIES[query], parameters)
        return await cursor.fetchall()
