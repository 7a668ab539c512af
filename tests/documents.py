"""Documents as tests read them: sections, code blocks, and what a block is said to print."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Final

FENCED: Final = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
COMMENT: Final = re.compile(r"\s+# .*$", re.MULTILINE)
PROMPT: Final = re.compile(r"^\$ ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language and its text."""

    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """Commands to type, and the output shown below them; empty where none is shown."""

    commands: str
    shown: str


def blocks(document: Path) -> list[Block]:
    """Every fenced block, in order, without comments, which may be in another language."""
    text = document.read_text(encoding="utf-8")
    return [Block(language, COMMENT.sub("", dedent(inner))) for language, inner in FENCED.findall(text)]


def steps(found: list[Block]) -> list[Step]:
    """Blocks of shell commands, each with the block of text right after it, if that is what follows."""
    following = [*found, Block("", "")]
    return [
        Step(block.text, after.text if after.language == "text" else "")
        for block, after in pairwise(following)
        if block.language == "sh"
    ]


def typed(document: Path) -> list[Step]:
    """Every command of a document by itself, in order, with what is shown after it in the same block or in the next."""
    following = [*blocks(document), Block("", "")]
    return [step for block, after in pairwise(following) for step in _typed(block, after.text if after.language == "text" else "")]


def _typed(block: Block, shown: str) -> Iterator[Step]:
    if block.language == "console":
        for part in PROMPT.split(block.text)[1:]:
            command, _, output = part.partition("\n")
            yield Step(f"{command}\n", output)
    elif block.language == "sh":
        *others, last = commands(block.text)
        yield from (Step(command, "") for command in others)
        yield Step(last, shown)


def commands(text: str) -> list[str]:
    """The commands of a shell's text: each the fewest lines that bash takes for a whole."""
    found, begun = [], ""
    for line in text.splitlines(keepends=True):
        begun += line
        if _is_whole(begun):
            found.append(begun)
            begun = ""
    assert not begun.strip(), f"no whole command: {begun}"
    return found


def _is_whole(text: str) -> bool:
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    return not (done.returncode or done.stderr or text.endswith("\\\n"))  # of a here-document cut short it only warns


def headings(document: Path) -> list[int]:
    """The level of every heading, in order."""
    outside = FENCED.sub("", document.read_text(encoding="utf-8"))
    return [len(marks) for marks in re.findall(r"^(#+) ", outside, re.MULTILINE)]


def links(document: Path) -> list[str]:
    """Where every link leads, in order."""
    return re.findall(r"\]\(([^)]+)\)", document.read_text(encoding="utf-8"))
