"""Documents as tests read them: sections, code blocks, and what a block is said to print."""

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

FENCED: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMENT: Final = re.compile(r"\s+# .*$", re.MULTILINE)


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
    return [Block(language, COMMENT.sub("", inner)) for language, inner in FENCED.findall(text)]


def steps(found: list[Block]) -> list[Step]:
    """Blocks of shell commands, each with the block of text right after it, if that is what follows."""
    following = [*found, Block("", "")]
    return [
        Step(block.text, after.text if after.language == "text" else "")
        for block, after in pairwise(following)
        if block.language == "sh"
    ]


def headings(document: Path) -> list[int]:
    """The level of every heading, in order."""
    outside = FENCED.sub("", document.read_text(encoding="utf-8"))
    return [len(marks) for marks in re.findall(r"^(#+) ", outside, re.MULTILINE)]


def links(document: Path) -> list[str]:
    """Where every link leads, in order."""
    return re.findall(r"\]\(([^)]+)\)", document.read_text(encoding="utf-8"))
