"""The public views as the database has them, kept in `sql/views.csv` for the reference; a test holds the file against a real one.

Renew it with `python -m ingest.storage.views > ingest/storage/sql/views.csv`, METERWARDEN_READER_URL naming a migrated database:
`meterwarden stack env` prints one.
"""

import asyncio
import csv
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from psycopg import AsyncConnection

KEPT: Final = Path(__file__).parent / "sql" / "views.csv"
QUERY: Final = """
SELECT view.relname, coalesce(attribute.attname, ''), coalesce(format_type(attribute.atttypid, attribute.atttypmod), ''),
       coalesce(regexp_replace(description.description, '\\s+', ' ', 'g'), '')
FROM pg_class AS view
CROSS JOIN LATERAL (SELECT 0 AS attnum, NULL::name AS attname, NULL::oid AS atttypid, NULL::int AS atttypmod
                    UNION ALL
                    SELECT attnum, attname, atttypid, atttypmod FROM pg_attribute
                    WHERE attrelid = view.oid AND attnum > 0 AND NOT attisdropped) AS attribute
LEFT JOIN pg_description AS description
  ON description.objoid = view.oid AND description.classoid = 'pg_class'::regclass AND description.objsubid = attribute.attnum
WHERE view.relnamespace = 'meterwarden'::regnamespace AND view.relkind = 'v'
ORDER BY view.relname, attribute.attnum
"""
"""A row a view, with no column, and after it a row each of its columns."""


class Line(NamedTuple):
    """A column of a view, or the view itself, where `column` is empty; what the database says of it, if anything."""

    view: str
    column: str
    type: str
    comment: str


async def published(url: str) -> list[Line]:
    """Every view of schema `meterwarden` with its columns, in their order. Any role that may connect sees them."""
    async with await AsyncConnection.connect(url) as connection:
        return [Line(*row) for row in await (await connection.execute(QUERY)).fetchall()]


def kept() -> list[Line]:
    """What the file holds."""
    with KEPT.open(encoding="utf-8", newline="") as file:
        return [Line(*row) for row in csv.reader(file)]


def write(lines: Iterable[Line]) -> None:
    """The file, on stdout."""
    csv.writer(sys.stdout, lineterminator="\n").writerows(lines)


if __name__ == "__main__":
    write(asyncio.run(published(os.environ["METERWARDEN_READER_URL"])))
