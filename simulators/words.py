"""What the commands say: in English, or as the program that loads them translates it (`CHINESE` in chinese.py holds the texts)."""

from collections.abc import Callable

import click

_translations: list[Callable[[str], str]] = []


def translate_by(translation: Callable[[str], str]) -> None:
    """Have everything said translated; a text without a translation comes back as it is."""
    _translations[:] = [translation]


def translated(text: str) -> str:
    """The text as people here read it."""
    return _translations[0](text) if _translations else text


def say(text: object, *, err: bool = False) -> None:
    """Show a text."""
    click.echo(translated(str(text)), err=err)
