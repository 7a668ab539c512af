"""How a connection to the database is opened, and which of its errors are the world's."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection
from psycopg.abc import RV, PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ingest.errors import Unavailable
from ingest.settings import DatabaseSettings
from ingest.storage import tls
from ingest.storage.queries import QUERIES


class Connection(AsyncConnection[tuple[Any, ...]]):
    """A connection that does not wait for ever: the server ends a statement in time; who hears nothing for twice as long gives up.

    A firewall that forgot the connection, or a proxy whose server is gone, acknowledges what is sent and never answers.
    """

    answer_seconds: float | None = None
    backend: tuple[int, datetime] | None = None
    """The server's process: its number and when it started."""

    async def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:  # noqa: ASYNC109 - psycopg's own
        """One answer of the server. Raises psycopg.OperationalError where none comes."""
        try:
            async with asyncio.timeout(self.answer_seconds):
                return await super().wait(gen, interval, timeout)
        except TimeoutError as error:
            if self.backend is not None:
                _given_up.append(self.backend)
            raise NoAnswer(f"no answer within {self.answer_seconds:g} s") from error


class NoAnswer(psycopg.OperationalError):
    """The server is silent; the connection may be there still."""


_given_up: Final[list[tuple[int, datetime]]] = []
"""Server processes that we wait for no longer. One that waits for rows of ours is reached by no timeout, and keeps its
locks, until the next connection ends it."""

WORLDS_CLASSES: Final = frozenset({"08", "25", "40", "53", "55", "57", "58"})
"""SQLSTATE classes that never speak of one message: connection, transaction state, rollback, resources, operator, system."""

TIMEOUTS: Final = frozenset({"25P03", "25P04", "57P05"})
"""The server ends a connection on which nothing came for too long, or a transaction that took too long."""

OTHER_STRUCTURE: Final = frozenset({"3F000", "42P01", "42703", "42883"})
"""No such schema, table, column, function."""


NOT_READ: Final = "not a connection string; write it as postgresql://USER@HOST:PORT/DATABASE"
NOT_ENCODED: Final = (
    "a password in it must be percent-encoded (@ as %40, / as %2F, : as %3A, ? as %3F, # as %23, % as %25), or left out and given "
    "in a file"
)
_TOO_MUCH: Final = re.compile(r"@.*@|%(?![0-9A-Fa-f]{2})", re.DOTALL)
"""What a URL with a password that is written as it is may have, and no other."""
_BEFORE_QUERY: Final = re.compile(r"postgres(?:ql)?://(?:[^@/]*@)?([^?]*)")
"""Hosts and database of a URL, as libpq finds them: after the first `@` where no `/` comes before it (libpq, "Connection URIs")."""


def connection_string(url: str) -> str:
    """The string as it is. Raises ValueError, which never repeats any of it, where libpq cannot read it, whose own words would.

    Also where libpq reads a part of the password as host, port or database: it would stand in the next error, and in the log.
    """
    try:
        port = str(conninfo_to_dict(url).get("port") or "")
    except psycopg.ProgrammingError:
        raise ValueError(NOT_ENCODED if _TOO_MUCH.search(url) else NOT_READ) from None
    found = _BEFORE_QUERY.match(url)
    if (found and "@" in found[1]) or not all(one.strip().isdecimal() for one in port.split(",") if one):
        raise ValueError(NOT_ENCODED)
    return url


def conninfo(settings: DatabaseSettings) -> str:
    """The connection string, the password read anew (it may have been rotated).

    A peer that vanishes without closing is noticed by the kernel within about half a minute.
    """
    options: dict[str, Any] = {
        "connect_timeout": settings.connect_timeout_seconds,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
        "application_name": "meterwarden",
        **tls.options(settings),
    }
    if settings.password_file is not None:
        options["password"] = Path(settings.password_file).read_text(encoding="utf-8").strip()
    return make_conninfo(settings.url.get_secret_value(), **options)


async def connect(settings: DatabaseSettings, *, autocommit: bool = False) -> Connection:
    """An open connection in UTC, none of whose transactions outlives this end of it for long. Raises Unavailable."""
    try:
        connection = await Connection.connect(conninfo(settings), autocommit=autocommit)
        connection.answer_seconds = 2 * settings.statement_timeout_seconds
        cursor = await connection.execute(QUERIES["set_up_session"], {"seconds": settings.statement_timeout_seconds})
        connection.backend = (await cursor.fetchall())[0][:2]
        await _end_given_up(connection)
        if not autocommit:
            await connection.commit()
    except (psycopg.Error, OSError) as error:
        raise Unavailable(f"database: {await _explained(error, settings)}") from error
    return connection


async def _explained(error: BaseException, settings: DatabaseSettings) -> str:
    """What went wrong, in one line, and for TLS what to do about it."""
    said = first_line(error)
    if tls.UNTRUSTED in str(error):
        said = await tls.reason(conninfo(settings)) or said
    return tls.advised(said, str(error))


async def _end_given_up(connection: Connection) -> None:
    ended = list(_given_up)
    if ended:
        pids, starts = zip(*ended, strict=True)
        await connection.execute(QUERIES["end_given_up"], {"pid": list(pids), "started_at": list(starts)})
        _given_up[:] = [one for one in _given_up if one not in ended]


@asynccontextmanager
async def connected(settings: DatabaseSettings, *, autocommit: bool = False) -> AsyncIterator[Connection]:
    """A connection for the length of a block; whatever the database refuses or fails at inside it is raised as Unavailable."""
    connection = await connect(settings, autocommit=autocommit)
    try:
        with as_unavailable():
            yield connection
    finally:
        await connection.close()


@contextmanager
def as_unavailable() -> Iterator[None]:
    """Whatever the database refuses or fails at inside the block is the world's fault."""
    try:
        yield
    except psycopg.Error as error:
        raise unavailable(error) from error


def is_worlds(error: Exception) -> bool:
    """Whether an error certainly does not speak of one message; a shortcut only, bisection finds out the rest."""
    if not isinstance(error, psycopg.Error):
        return isinstance(error, Unavailable)
    return error.sqlstate is None or error.sqlstate[:2] in WORLDS_CLASSES


def is_lost(connection: Connection, error: psycopg.Error) -> bool:
    """Whether the server, or the way to it, ended an open connection; a silence or a timeout is no such end."""
    if isinstance(error, NoAnswer) or error.sqlstate in TIMEOUTS:
        return False
    return connection.closed or error.diag.severity_nonlocalized in ("FATAL", "PANIC")


def unavailable(error: psycopg.Error) -> Unavailable:
    """An error of the world, in one line; where the structure is another than this version's, with what tells."""
    advice = "; `meterwarden check` tells whether a migration is missing" if error.sqlstate in OTHER_STRUCTURE else ""
    return Unavailable(f"database: {first_line(error)}{advice}")


def first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
