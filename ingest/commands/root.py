"""The root of the command line: commands loaded on demand, the language, errors as people read them."""

import errno
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from ingest.commands.help import Context, sections, told, usage_error
from ingest.words import LANGUAGES, speaking, words

PROGRAM: Final = "meterwarden"
LANG: Final = "--lang"
NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a full disk says; elsewhere an unexpected error ends the program with all it knows."""
FOOTER: Final = (
    ("Exit status: 0 done, 1 not done or something was found (each command says which), 2 called wrongly.",
     "退出码: 0 完成;1 未完成或发现问题(各命令另有说明);2 用法错误。"),
    ("Settings come from environment variables METERWARDEN_<GROUP>__<NAME>, secrets from the files that ..._FILE names:",
     "设置取自环境变量 METERWARDEN_<组>__<名称>,密码等取自 ..._FILE 所指的文件:"),
    ("  meterwarden config show     every setting, its value and where it comes from",
     "  meterwarden config show     每项设置的值及其来源"),
    ("  meterwarden check           whether they work, and what to do where they do not",
     "  meterwarden check           检查是否可用,不可用时给出处理办法"),
    ("Language: --lang zh|en before the command, else METERWARDEN_LANG, LANGUAGE, LC_ALL, LC_MESSAGES, LANG.",
     "语言: 在命令前加 --lang zh|en,否则依 METERWARDEN_LANG、LANGUAGE、LC_ALL、LC_MESSAGES、LANG。"),
    ("Completion: eval \"$(meterwarden completion bash)\"   (zsh, fish: meterwarden completion --help)",
     "补全: eval \"$(meterwarden completion bash)\"   (zsh、fish 见 meterwarden completion --help)"),
)  # fmt: skip


class Root(click.Group):
    """The group that is the program."""

    context_class = Context
    groups: Mapping[str, Iterable[str]] = {}
    """Who uses which commands."""
    late: Mapping[str, Callable[[], click.Command]] = {}
    """Commands that are loaded when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, whether its libraries are there or not."""
        return sorted([*super().list_commands(ctx), *self.late])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, as people read it."""
        found = self.late[cmd_name]() if cmd_name in self.late else super().get_command(ctx, cmd_name)
        return None if found is None else told(found, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """By who uses them."""
        found = {name: command for name in self.list_commands(ctx) if (command := self.get_command(ctx, name)) is not None}
        sections(formatter, self.groups, found)

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples, exit status, where settings come from."""
        formatter.write_paragraph()
        examples = told(self, "").epilog
        formatter.write_text("\b\n" + "\n".join([(examples or "").removeprefix("\b\n"), "", *(words(*line) for line in FOOTER)]))

    def main(self, args: Sequence[str] | None = None, *more: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run, in the language asked for; an error is shown in it and ends the program with its status."""
        extra["prog_name"] = extra.get("prog_name") or (more[0] if more else PROGRAM)
        given = list(sys.argv[1:] if args is None else args)
        with speaking(_language(given)):
            if not standalone_mode:
                return super().main(given, standalone_mode=False, **extra)
            try:
                status = super().main(given, standalone_mode=False, **extra)
            except click.exceptions.NoArgsIsHelpError as error:
                error.show()
                sys.exit(error.exit_code)
            except click.ClickException as error:
                click.echo(usage_error(error), err=True)
                sys.exit(error.exit_code)
            except OSError as error:
                if error.errno not in NO_ROOM:
                    raise
                said = words("cannot write: {}; make room, then run it again", "无法写入: {};请腾出空间后重新执行")
                click.echo(f"{words('Error', '错误')}: {said.format(error.strerror)}", err=True)
                sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - nothing is left to write at the end
                sys.exit(1)
            except click.Abort:
                click.echo(words("Aborted!", "已中止!"), err=True)
                sys.exit(1)
        sys.exit(status if isinstance(status, int) else 0)


def _language(args: Sequence[str]) -> str | None:
    """What --lang says before the command; it must be known before anything is parsed, whose errors are told in it."""
    for one, following in zip(args, [*args[1:], ""], strict=False):
        name, is_joined, joined = one.partition("=")
        chosen = joined if is_joined else following
        if name == LANG:
            return chosen if chosen in LANGUAGES else None
        if not one.startswith("-"):
            return None
    return None
