"""How help reads: in the language of whoever asks, commands by who uses them, wide characters counted, an example each.

`told` makes of any click command one that reads so; nothing but its name, help and example has to be given.
"""

import copy
import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import click

from ingest.commands.columns import width, wrapped
from ingest.commands.examples import EXAMPLES
from ingest.words import translated, words

COLUMNS: Final = 100
"""Help is never wider."""
WIDEST_NAME: Final = 34
"""Columns; a longer name has its text on the next line."""
RAW: Final = "\b\n"
"""Begins a text whose lines are shown as they are."""
_EXTRAS: Final = re.compile(r"(?s)(.*?)(?:  )?\[((?:default|env var|required|x|\d)[^\[\]]*)\]$")
_SENTENCE: Final = re.compile(r"(?s)(.+?)(?:[.;]\s.*|[;。；].*|\.?$)")


class Formatter(click.HelpFormatter):
    """click's, translating what it writes, and breaking lines where a terminal would."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """The line that says how to call it."""
        super().write_usage(prog, args, translated("Usage:") + " " if prefix is None else prefix)

    def write_heading(self, heading: str) -> None:
        """The name of a section."""
        super().write_heading(translated(heading))

    def write_text(self, text: str) -> None:
        """Paragraphs, or lines as they are."""
        if text.startswith(RAW.strip("\n")):
            self.write(text.removeprefix("\b").lstrip("\n") + "\n")
            return
        indent = " " * self.current_indent
        paragraphs = [wrapped(part, self.width - self.current_indent) for part in translated(text).split("\n\n")]
        self.write("\n\n".join("\n".join(indent + line for line in lines) for lines in paragraphs) + "\n")

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = WIDEST_NAME, col_spacing: int = 2) -> None:
        """Names, and beside each what it is."""
        indent = " " * self.current_indent
        listed = list(rows)
        names = [width(name) for name, _ in listed if width(name) <= col_max]
        column = max(names, default=col_max) + col_spacing
        for name, text in listed:
            lines = wrapped(_explained(text), max(self.width - self.current_indent - column, 20))
            apart = f"\n{indent}{' ' * column}"
            first = apart if width(name) > col_max else " " * (column - width(name))
            self.write(f"{indent}{name}{first}{apart.join(lines)}".rstrip() + "\n")


class Context(click.Context):
    """One whose help reads so."""

    formatter_class = Formatter


def told(command: click.Command, path: str) -> click.Command:
    """A command as people read it, its sub-commands with it. `path` is how it is called, without the program's name."""
    of_people = copy.copy(command)
    of_people.context_class = Context
    of_people.context_settings = {"max_content_width": COLUMNS, **command.context_settings}
    of_people.short_help = translated(command.short_help) if command.short_help else _sentence(_help(command))
    of_people.epilog = _examples(path)
    if isinstance(of_people, click.Group):
        of_people.commands = {name: told(each, f"{path} {name}") for name, each in of_people.commands.items()}
    return of_people


def sections(formatter: click.HelpFormatter, groups: Mapping[str, Iterable[str]], found: Mapping[str, click.Command]) -> None:
    """Commands by who uses them; those that no group names come last."""
    named = {name for names in groups.values() for name in names}
    others = {"Others": [name for name in found if name not in named]}
    for title, names in {**groups, **others}.items():
        rows = [(name, found[name].get_short_help_str()) for name in names if name in found and not found[name].hidden]
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)


def _explained(text: str) -> str:
    """The help of an option, and what click says after it in brackets."""
    match = _EXTRAS.fullmatch(text)
    if match is None:
        return translated(text)
    extras = "; ".join(translated(part) for part in match[2].split("; "))
    return f"{translated(match[1].strip())}  [{extras}]".strip()


def _help(command: click.Command) -> str:
    return " ".join(translated(inspect.cleandoc(command.help or "")).split())


def _sentence(text: str) -> str:
    match = _SENTENCE.fullmatch(text)
    return match[1] if match else text


def _examples(path: str) -> str | None:
    lines = EXAMPLES.get(path)
    if not lines:
        return None
    return RAW + "\n".join([words("Examples:", "示例:"), *(f"  meterwarden {line}" for line in lines)])


def usage_error(error: click.ClickException) -> str:
    """What to say of an error, in the language of whoever is here; a wrong call also says where its help is."""
    lines = []
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        usage = context.get_usage()
        hint = words(f"Try '{context.command_path} --help' for help.", f"用法详见 '{context.command_path} --help'。")
        lines += [usage, hint, ""]
    lines.append(f"{words('Error', '错误')}: {translated(error.format_message())}")
    return "\n".join(lines)


def leaves(command: click.Command, path: str, context: click.Context) -> list[tuple[str, click.Command]]:
    """Every command that does something, by how it is called."""
    if not isinstance(command, click.Group):
        return [(path, command)]
    found: list[tuple[str, click.Command]] = []
    for name in command.list_commands(context):
        each: Any = command.get_command(context, name)
        found += leaves(each, f"{path} {name}".strip(), context)
    return found
