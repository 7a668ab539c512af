"""Lines that say how far a command is: on stdout, or on stderr where METERWARDEN_QUIET keeps stdout for a program."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import click

from ingest.words import both, translated, words

EVERY_SECONDS: Final = 2.0


def say(line: str) -> None:
    """Show one line."""
    click.echo(translated(line), err=os.environ.get("METERWARDEN_QUIET") is not None)


class Progress:
    """Says on stderr, every two seconds, how far a long command is."""

    def __init__(self, total: int, english: str, chinese: str) -> None:
        """`total` things are to be dealt with; the words say how."""
        self._total, self._what = total, words(english, chinese)
        self._next = time.monotonic() + EVERY_SECONDS

    def __call__(self, done: int) -> None:
        """So many are."""
        if time.monotonic() >= self._next:
            click.echo(f"{self._what} {done:,} / {self._total:,}", err=True)
            self._next = time.monotonic() + EVERY_SECONDS


@contextmanager
def step(english: str, chinese: str) -> Iterator[None]:
    """Say on stderr what is being done, and how long it took; where nobody watches, nothing."""
    watched = sys.stderr.isatty()
    started = time.monotonic()
    if watched:
        click.echo(f"{words(english, chinese)} … ", err=True, nl=False)
    try:
        yield
    finally:
        if watched:
            click.echo(f"{time.monotonic() - started:.1f} s", err=True)


def json_option(command: Any) -> Any:
    """Give a command --json, as `json_wanted`."""
    return click.option(
        "--json", "json_wanted", is_flag=True, help=both("JSON, in English, for programs", "输出 JSON(英文),供程序使用")
    )(command)
