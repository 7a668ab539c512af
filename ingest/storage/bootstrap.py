"""A database ready for migrations: three login roles, the database, the extension. Needs a superuser once.

meterwarden_owner    owns the schemas, runs migrations
meterwarden_writer   the service: reads and writes rows, changes no structure
meterwarden_reader   dashboards and people: the views of schema `meterwarden`, nothing else
"""

from contextlib import suppress
from typing import Final

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.conninfo import make_conninfo

ROLES: Final = ("meterwarden_owner", "meterwarden_writer", "meterwarden_reader")


async def bootstrap(superuser_url: str, database: str, passwords: dict[str, str]) -> None:
    """Create what is missing, and set the roles' passwords. `passwords` maps each of `ROLES` to its password."""
    async with await AsyncConnection.connect(superuser_url, autocommit=True) as connection:
        for role in ROLES:
            await _role(connection, role, passwords[role])
        name = sql.Identifier(database)
        with suppress(psycopg.errors.DuplicateDatabase):  # a second run only sets passwords and privileges
            await connection.execute(sql.SQL("CREATE DATABASE {} OWNER meterwarden_owner").format(name))
        await connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
        await connection.execute(
            sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO meterwarden_writer").format(name)  # the staging table
        )
        await connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO meterwarden_reader").format(name))
    async with await AsyncConnection.connect(make_conninfo(superuser_url, dbname=database), autocommit=True) as connection:
        await connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        await connection.execute("GRANT CREATE ON SCHEMA public TO meterwarden_owner")


async def _role(connection: AsyncConnection[tuple[object, ...]], role: str, password: str) -> None:
    name = sql.Identifier(role)
    with suppress(psycopg.errors.DuplicateObject):  # roles belong to the whole server; another database may have brought them
        await connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
    await connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, sql.Literal(password)))
