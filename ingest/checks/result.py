"""A check's outcome: its state, what was found, and what to do, in both languages."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from ingest.words import words


class State(StrEnum):
    """How a check came out; `failed` means that the service cannot do its work so."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class Text(NamedTuple):
    """A text in both languages."""

    english: str
    chinese: str

    def __str__(self) -> str:
        """In the language of whoever is here."""
        return words(self.english, self.chinese)


@dataclass(frozen=True, slots=True)
class Result:
    """One line: `name` is constant, fit for programs."""

    name: str
    state: State
    found: Text
    remedy: Text | None = None

    def record(self) -> dict[str, Any]:
        """For --json, in English."""
        remedy = None if self.remedy is None else self.remedy.english
        return {"check": self.name, "state": str(self.state), "found": self.found.english, "remedy": remedy}


def good(name: str, english: str, chinese: str) -> Result:
    """A check that came out well."""
    return Result(name, State.OK, Text(english, chinese))


def warning(name: str, found: Text, remedy: Text) -> Result:
    """The service works; somebody should look."""
    return Result(name, State.WARNING, found, remedy)


def failed(name: str, found: Text, remedy: Text) -> Result:
    """The service cannot do its work."""
    return Result(name, State.FAILED, found, remedy)
