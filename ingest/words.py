"""Text for people, in their language: English or Chinese. What machines read (JSON, logs, metrics) stays English.

Three ways to have a text in both, whichever is nearest to where it arises:
words(english, chinese)   now, in the language of whoever is here: output, errors of commands
both(english, chinese)    noted for later, English for now: help, which is built before anybody has said a language
ingest/chinese/           for texts that other code writes in English (faults from below, click): templates, by their English
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Final

from ingest.chinese import CATALOGUE

VARIABLE: Final = "METERWARDEN_LANG"
LANGUAGES: Final = ("en", "zh")
LONGEST: Final = 2_000
"""Characters of a text that is looked up; who says more says it in a language of his own."""
DEEPEST: Final = 4
"""So deep may texts be nested in each other's placeholders."""
_NAMES: Final = frozenset({"sheet"})
"""Placeholders of names, which no language changes, though a word may look the same."""
_HELD: Final = re.compile(r"\{(\w+)\}")
_NO_LOCALE: Final = re.compile(r"(C|POSIX)(\..*)?")
_noted: Final[dict[str, str]] = {}


def language(environment: Mapping[str, str] | None = None) -> str:
    """`zh` or `en`: METERWARDEN_LANG (--lang), LANGUAGE unless the locale is C, then LC_ALL, LC_MESSAGES, LANG; else English."""
    given = os.environ if environment is None else environment
    locale = given.get("LC_ALL") or given.get("LC_MESSAGES") or given.get("LANG") or ""
    wanted = "" if _NO_LOCALE.fullmatch(locale) else given.get("LANGUAGE", "")
    for name in (given.get(VARIABLE, ""), *wanted.split(":"), locale):
        if name:
            return "zh" if name.lower().startswith("zh") else "en"
    return "en"


@contextmanager
def speaking(chosen: str | None) -> Iterator[None]:
    """Speak a language within the block, programs started from it included; None: as the environment says."""
    before = os.environ.get(VARIABLE)
    if chosen is not None:
        os.environ[VARIABLE] = chosen
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before


def words(english: str, chinese: str) -> str:
    """One of two texts that say the same."""
    return chinese if language() == "zh" else english


def both(english: str, chinese: str) -> str:
    """The English text, its Chinese noted for `translated`."""
    _noted[english] = chinese
    return english


def note(texts: Mapping[str, str]) -> None:
    """Note texts of a part of the project that is loaded on demand, Chinese by English."""
    _noted.update(texts)


def translated(text: str) -> str:
    """A text in the language of whoever is here; what has no Chinese stays as it is."""
    return _chinese(text, DEEPEST) if language() == "zh" else text


def known() -> dict[str, str]:
    """Every noted text and every template, Chinese by English."""
    return {**CATALOGUE, **_noted}


def _chinese(text: str, deep: int) -> str:
    texts = known()
    if text in texts:
        return texts[text]
    for english, chinese in texts.items() if deep and len(text) <= LONGEST else ():
        match = _pattern(english).fullmatch(text) if "{" in english else None
        if match:
            parts = match.groupdict().items()
            return chinese.format_map({name: part if name in _NAMES else _chinese(part, deep - 1) for name, part in parts})
    lines = text.split("\n")
    return "\n".join(_chinese(line, deep) for line in lines) if len(lines) > 1 else text


@cache
def _pattern(english: str) -> re.Pattern[str]:
    """Matches what a template becomes once its placeholders are filled."""
    parts = _HELD.split(english)
    shaped = [f"(?P<{part}>.+?)" if number % 2 else re.escape(part) for number, part in enumerate(parts)]
    return re.compile("".join(shaped), re.DOTALL if "\n" in english else 0)
