"""What every command says of itself and of a wrong call, in both languages: help, options, examples, errors."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from ingest.cli import main
from ingest.commands.columns import width
from ingest.commands.examples import EXAMPLES
from ingest.commands.help import leaves

CHINESE_CHARACTER = re.compile("[\u4e00-\u9fff]")

pytestmark = pytest.mark.usefixtures("no_language_asked_for")


def _commands() -> list[tuple[str, click.Command]]:
    return leaves(main, "", click.Context(main))


PATHS = [path for path, _ in _commands()]


@pytest.mark.parametrize("path", ["", *PATHS])
def test_help_reads_in_both_languages(path: str) -> None:
    """No English sentence in the Chinese help, and none of its lines wider than it may be; an example in both."""
    told = {}
    for lang in ("en", "zh"):
        result = CliRunner().invoke(main, ["--lang", lang, *path.split(), "--help"])
        assert result.exit_code == 0, result.output
        told[lang] = result.output
    explained = re.split("示例:", told["zh"])[0]
    sentences = [
        line
        for line in explained.splitlines()[1:]
        if re.search(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}", line.replace("meterwarden completion", ""))
    ]

    assert "Examples:\n  meterwarden " in told["en"]
    assert "示例:\n  meterwarden " in told["zh"]
    assert [] == sentences
    assert not CHINESE_CHARACTER.search(told["en"])
    assert [] == [line for line in explained.splitlines() if width(line) > 80 and " " in line.strip() and "--" not in line]


def test_the_commands_stand_one_a_line() -> None:
    """By who uses them, every one in a group, each explained on its own line."""
    for lang in ("en", "zh"):
        output = CliRunner().invoke(main, ["--lang", lang, "--help"]).output
        names = {path.split()[0] for path in PATHS}
        lines = [line for line in output.splitlines() if line.startswith("  ") and line.split()[0] in names]
        assert names == {line.split()[0] for line in lines}
        assert "Others" not in output
        assert "其他" not in output


@pytest.mark.parametrize("path", PATHS)
def test_every_option_is_explained(path: str) -> None:
    """With a sentence."""
    command = dict(_commands())[path]
    silent = [param.opts for param in command.params if isinstance(param, click.Option) and not param.help]

    assert [] == silent


@pytest.mark.parametrize("path", PATHS)
def test_every_example_is_one_the_parser_takes(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As written, its files made; nothing is run."""
    (tmp_path / "examples" / "one-school").mkdir(parents=True)
    (tmp_path / "registry.xlsx").touch()
    monkeypatch.chdir(tmp_path)
    run: list[str] = []
    monkeypatch.setattr(click.Command, "invoke", _noted(click.Command.invoke, run))
    for example in EXAMPLES[path]:
        result = CliRunner().invoke(main, shlex.split(example), catch_exceptions=False)
        assert result.exit_code == 0, result.output
    assert [path] * len(EXAMPLES[path]) == run


def _noted(invoke: Callable[[click.Command, click.Context], Any], run: list[str]) -> Callable[[click.Command, click.Context], Any]:
    """Groups are entered; of what they lead to only the name is noted."""

    def note(command: click.Command, context: click.Context) -> Any:
        if isinstance(command, click.Group):
            return invoke(command, context)
        return run.append(context.command_path.partition(" ")[2])

    return note


SILENT = {"run", "completion", "demo", "stack up", "stack down", "quarantine export", "replay", "registry template"}
"""Commands whose output is no list and no report; `export` writes JSON and nothing else. Of `simulate`, `verify` alone reports."""


@pytest.mark.parametrize("path", [path for path in PATHS if path not in SILENT and not re.match("simulate (?!verify)", path)])
def test_what_lists_or_reports_has_json(path: str) -> None:
    """For programs, always in English."""
    assert "--json" in [name for param in dict(_commands())[path].params for name in param.opts]


@pytest.mark.parametrize(
    ("arguments", "english", "chinese"),
    [
        (["chek"], "No such command 'chek'. Did you mean 'check'?", "没有命令 'chek'。是否指 'check'?"),
        (["findings", "list", "--most", "0"], "'--most': 0 is not in the range", "'--most' 的值无效: 0 不在范围"),
        (["findings", "list", "--mst", "1"], "No such option '--mst'", "没有选项 '--mst'"),
        (["findings", "show"], "Missing argument 'FINDING'.", "缺少参数 'FINDING'。"),
        (["findings", "close", "x"], "Missing option '--author'", "缺少选项 '--author'"),
        (["findings", "list", "--most"], "Option '--most' requires an argument.", "选项 '--most' 缺少值。"),
        (["registry", "import", "/nowhere"], "Path '/nowhere' does not exist.", "路径 '/nowhere' 不存在。"),
        (["run", "--log-level", "LOUD"], "'LOUD' is not one of", "'LOUD' 不在可选值"),
        (["drain", "--last=1"], "does not take a value", "不带值"),
        (["edit", "list", "a", "b"], "Got unexpected extra argument", "多余的参数"),
        (["stack", "env"], "no stack is up", "没有运行中的服务"),
        (["simulate", "publish", "--month", "x"], "is not a month such as", "不是月份"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else "",
)
def test_errors_in_both_languages(arguments: list[str], english: str, chinese: str, tmp_path: Path) -> None:
    """A wrong call is told in the language of whoever calls, with the same exit status."""
    environment = {"METERWARDEN_STACK_STATE": str(tmp_path)}
    one = CliRunner().invoke(main, arguments, env=environment)
    other = CliRunner().invoke(main, ["--lang", "zh", *arguments], env=environment)

    assert one.exit_code == other.exit_code != 0
    assert english in one.stderr
    assert chinese in other.stderr
    assert "" == one.stdout == other.stdout
    assert other.stderr.splitlines()[-1].startswith(("错误: ", " "))


@pytest.mark.parametrize("url", ["mysql://u:hunter2@db", "postgres:/u:hunter2@db", "postgresql://u:hunter2@[db"])
@pytest.mark.parametrize("arguments", [["migrate", "--url"], ["storage", "--url"], ["bootstrap", "--superuser-url"],
                                       ["simulate", "verify", "--ledger", "x", "--database-url"]])  # fmt: skip
def test_a_connection_string_that_cannot_be_read_is_not_repeated(arguments: list[str], url: str) -> None:
    """The driver's own words would repeat it, password included."""
    for language, said in (
        ("en", "not a connection string; write it as postgresql://"),
        ("zh", "不是连接字符串,请写作 postgresql://"),
    ):
        result = CliRunner().invoke(main, ["--lang", language, *arguments, url])
        assert result.exit_code != 0
        assert said in result.stderr
        assert "hunter2" not in result.output


@pytest.mark.parametrize(("lang", "said"), [("en", "Error: cannot write: No space left"), ("zh", "错误: 无法写入: No space left")])
@pytest.mark.parametrize("arguments", [["config", "show"], ["config", "show", "--json"], ["--help"]], ids=" ".join)
def test_a_full_disk_under_the_output_is_said_in_a_line(arguments: list[str], lang: str, said: str) -> None:
    """A report sent into a file: what happened, what to do, and nothing more from the interpreter as it ends."""
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run([sys.executable, "-m", "ingest", "--lang", lang, *arguments],
                               stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)  # fmt: skip

    assert 1 == ended.returncode
    [line] = ended.stderr.splitlines()
    assert line.startswith(said)


@pytest.mark.parametrize("arguments", [["--lang", "zh"], ["--lang=zh"]])
def test_lang_may_be_written_either_way(arguments: list[str]) -> None:
    """Before the command."""
    assert "用法" in CliRunner().invoke(main, [*arguments, "--help"]).output
