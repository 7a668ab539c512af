"""Text in the columns of a terminal, where a Chinese character takes two. Pure, but for how wide the terminal is."""

import os
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

WIDE: Final = 160
"""Columns where there is no terminal."""
SMALLEST: Final = 16
"""Columns that each of a table's last ones has at least; on a narrower terminal lines wrap."""
UNCUT: Final = 100_000
GAP: Final = "  "
NEVER_FIRST: Final = frozenset("，。；：！？、）》」』”’%,.;:!?)]}")
"""No line begins with one of these."""


def width(text: str) -> int:
    """Columns of a terminal: Chinese characters take two, combining ones none."""
    return sum(map(_width, text))


def _width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def fitted(text: str, columns: int) -> str:
    """Text cut or filled up to so many columns; a cut ends in an ellipsis."""
    if width(text) <= columns:
        return text + " " * (columns - width(text))
    kept, used = [], 1
    for char in text:
        used += _width(char)
        if used > columns:
            used -= _width(char)
            break
        kept.append(char)
    return "".join(kept) + "…" + " " * (columns - used)


def wrapped(text: str, columns: int) -> list[str]:
    """A paragraph in lines of at most so many columns, broken at spaces and beside wide characters; a longer word stays whole."""
    lines, line = [], ""
    for piece in _pieces(" ".join(text.split())):
        if line and width(line + piece.rstrip()) > columns:
            lines.append(line.rstrip())
            line = ""
        line += piece if line else piece.lstrip()
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


def _pieces(text: str) -> Iterator[str]:
    """What may not be broken: words with the space after them, wide characters with the mark that follows."""
    piece = ""
    for char in text:
        breaks = piece and (piece[-1] == " " or _width(char) == 2 or _width(piece[-1]) == 2) and char not in NEVER_FIRST
        if breaks and char != " ":
            yield piece
            piece = ""
        piece += char
    yield piece


def terminal() -> int:
    """Columns of the terminal, or `WIDE` where there is none."""
    return shutil.get_terminal_size((WIDE, 24)).columns


def layout(rows: Sequence[Sequence[str]], total: int, loose: int = 2) -> list[int]:
    """The width of each column: the first ones as they need; the `loose` last ones share what is left, at least `SMALLEST` each."""
    needed = [max(map(width, column)) for column in zip(*rows, strict=True)]
    firm = needed[: len(needed) - loose]
    left = max(total - sum(firm) - len(GAP) * (len(needed) - 1), loose * SMALLEST)
    shared = []
    for number, need in enumerate(needed[len(firm) : -1], start=1):
        rest = sum(needed[len(firm) + number :])
        shared.append(min(need, max(left // (loose - number + 1), left - rest)))
        left -= shared[-1]
    return _narrowed([*firm, *shared, left], total)


def _narrowed(columns: list[int], total: int) -> list[int]:
    """Columns of a terminal too narrow for them: the widest give way, down to `SMALLEST`."""
    surplus = sum(columns) + len(GAP) * (len(columns) - 1) - total
    for _ in range(max(surplus, 0)):
        widest = max(columns)
        if widest > SMALLEST:
            columns[columns.index(widest)] -= 1
    return columns


def line(row: Sequence[str], columns: Sequence[int]) -> str:
    """One line of a table."""
    return GAP.join(fitted(text, wide) for text, wide in zip(row, columns, strict=True)).rstrip()


def table(heading: Sequence[str], rows: Sequence[Sequence[str]], *, loose: int = 1, total: int | None = None) -> Iterator[str]:
    """A heading and its rows, as wide as the terminal unless told; nothing is cut where a program reads them."""
    watched = sys.stdout.isatty() or "COLUMNS" in os.environ
    columns = layout([heading, *rows], total or (terminal() if watched else UNCUT), loose)
    for row in (heading, *rows):
        yield line(row, columns)
