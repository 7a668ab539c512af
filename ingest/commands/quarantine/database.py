"""What every command on the quarantine shares: the database's faults in words, lines that any terminal takes."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import click

from ingest.errors import Refused, Unavailable
from ingest.words import words

T = TypeVar("T")


def answered(work: Coroutine[Any, Any, T]) -> T:
    """What the database answers; its faults end the command and say what to do."""
    try:
        return asyncio.run(work)
    except Unavailable as error:
        raise click.ClickException(f"{error}\n{_check()}") from error
    except Refused as error:
        raise click.ClickException(f"{words('the database refuses it', '数据库拒绝执行')}: {error}\n{_check()}") from error


def _check() -> str:
    return words(
        "Check METERWARDEN_DATABASE__URL, and that `meterwarden migrate` has run. What was done before stays; run it again.",
        "请检查 METERWARDEN_DATABASE__URL,并确认已执行 `meterwarden migrate`。此前完成的部分保留,可再次执行本命令。",
    )


def put(text: str) -> None:
    """A line on stdout; characters that its encoding lacks are escaped."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding))


def by_reason(counts: dict[str, int]) -> str:
    """Counts in one line, the most frequent reason first."""
    return ", ".join(f"{reason} {number:,}" for reason, number in sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def sized(size: int) -> str:
    """A size for people."""
    return f"{size / 2**20:,.1f} MiB" if size >= 2**20 else f"{size / 2**10:,.1f} KiB"
