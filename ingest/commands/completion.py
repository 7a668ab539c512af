"""`meterwarden completion`: a script that lets a shell complete commands, options and their values."""

from typing import Final

import click
from click.shell_completion import get_completion_class

from ingest.commands.root import PROGRAM
from ingest.words import both

VARIABLE: Final = "_METERWARDEN_COMPLETE"
SHELLS: Final = ("bash", "zsh", "fish")


@click.command(short_help=both("Print a script for completion in bash, zsh or fish", "输出 shell 补全脚本"), help=both(
    "Print a completion script. It asks the program itself, so that it is never out of date. For good: bash: "
    "eval \"$(meterwarden completion bash)\" in ~/.bashrc; zsh: the same with zsh in ~/.zshrc, after compinit; fish: meterwarden "
    "completion fish > ~/.config/fish/completions/meterwarden.fish.",
    "输出补全脚本。脚本询问程序本身,因此不会过时。长期使用: bash 在 ~/.bashrc 中加入 eval \"$(meterwarden completion bash)\";"
    "zsh 在 ~/.zshrc 的 compinit 之后加入同样的一行(改为 zsh);fish 执行 meterwarden completion fish > "
    "~/.config/fish/completions/meterwarden.fish。"))  # fmt: skip
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a completion script."""
    of_shell = get_completion_class(shell)
    assert of_shell is not None
    script = of_shell(context.find_root().command, {}, PROGRAM, VARIABLE)
    click.echo(script.source_template % script.source_vars())
