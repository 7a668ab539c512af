"""A database ready for migrations: three login roles, the database, the extension. Needs a superuser once.

meterwarden_owner    owns the schemas, runs migrations
meterwarden_writer   the service: reads and writes rows, changes no structure
meterwarden_reader   dashboards and people: the views of schema `meterwarden`, nothing else
"""

import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ingest.storage.migrate import migrate

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
            sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO meterwarden_writer").format(name)  # settlement's tables
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


class Prepared(NamedTuple):
    """A migrated database: how each role reaches it, and the file that holds its password."""

    host: str
    port: int
    database: str
    password_files: dict[str, Path]
    query: str = ""
    """How the superuser's URL asked for TLS, for the others to do alike."""

    def url(self, role: str) -> str:
        """The role's URL, without its password."""
        return f"postgresql://{role}@{self.host}:{self.port}/{self.database}{self.query}"

    @property
    def environment(self) -> dict[str, str]:
        """The settings that point the service at this database."""
        writer = "meterwarden_writer"
        return {
            "METERWARDEN_DATABASE__URL": self.url(writer),
            "METERWARDEN_DATABASE__PASSWORD_FILE": str(self.password_files[writer]),
        }

    def uri_with_password(self, role: str) -> str:
        """The role's URL for programs that take no password file."""
        password = quote(self.password_files[role].read_text(encoding="utf-8").strip(), safe="")
        return f"postgresql://{role}:{password}@{self.host}:{self.port}/{self.database}{self.query}"


class PasswordsElsewhere(Exception):  # noqa: N818 - says what stands in the way
    """Roles that have passwords which the directory does not hold: new ones would shut out whoever has those."""

    def __init__(self, roles: list[str]) -> None:
        """These roles."""
        super().__init__(", ".join(roles))


async def prepare(superuser_url: str, database: str, directory: Path) -> Prepared:
    """Bring a server to a migrated database with generated passwords, kept in `directory` (files 0600).

    Raises PasswordsElsewhere, before anything is changed.
    """
    files = {role: directory / f"{role}.password" for role in ROLES}
    strange = await _with_passwords(superuser_url, [role for role, file in files.items() if not file.exists()])
    if strange:
        raise PasswordsElsewhere(strange)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    passwords = {role: _kept_password(file) for role, file in files.items()}
    await bootstrap(superuser_url, database, passwords)
    where = conninfo_to_dict(superuser_url)
    tls = urlencode({name: where[name] for name in ("sslmode", "sslrootcert") if where.get(name)}, quote_via=quote)
    prepared = Prepared(
        str(where.get("host", "127.0.0.1")), int(where.get("port") or 5432), database, files, f"?{tls}" if tls else ""
    )
    async with await AsyncConnection.connect(prepared.uri_with_password("meterwarden_owner"), autocommit=True) as connection:
        await migrate(connection)
    return prepared


async def _with_passwords(superuser_url: str, roles: list[str]) -> list[str]:
    """Those of the roles that have one; none where only a real superuser may know."""
    async with await AsyncConnection.connect(superuser_url, autocommit=True) as connection:
        with suppress(psycopg.errors.InsufficientPrivilege):
            wanted = "SELECT rolname FROM pg_authid WHERE rolname = ANY(%s) AND rolpassword IS NOT NULL ORDER BY 1"
            return [str(row[0]) for row in await (await connection.execute(wanted, [roles])).fetchall()]
    return []


def _kept_password(file: Path) -> str:
    """The password in a file; a new one is generated into it where it does not exist."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(24), encoding="utf-8")
    return file.read_text(encoding="utf-8").strip()
