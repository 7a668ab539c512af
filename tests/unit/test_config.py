"""`meterwarden config show`: every setting, where it comes from, no secret; and completion in the real shells."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ingest.cli import main
from ingest.commands.configured import HIDDEN, configured, unknown, variables
from ingest.settings import Settings

SECRET = "hunter2-and-more"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("METERWARDEN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


def show(*arguments: str, **given: str) -> Result:
    """The command, with these settings."""
    return CliRunner().invoke(
        main, ["config", "show", *arguments], env={f"METERWARDEN_{name}": text for name, text in given.items()}
    )


def shown(**given: str) -> dict[str, dict[str, Any]]:
    """Every setting by its variable."""
    return {one["variable"]: one for one in json.loads(show("--json", **given).stdout)["settings"]}


def test_every_setting_is_shown_with_its_default() -> None:
    """By the name of its variable."""
    found = shown()

    assert variables().keys() <= found.keys()
    assert {"default"} == {one["origin"] for one in found.values()}
    assert 1883 == found["METERWARDEN_BROKER__PORT"]["value"]
    assert 20 == found["METERWARDEN_SHUTDOWN_GRACE_SECONDS"]["value"]


def test_what_comes_from_the_environment_says_so() -> None:
    """From a variable of its own, of any case, or from its group's."""
    found = shown(BROKER__HOST="mqtt.example", INTAKE='{"accept_days_back": 400}', QUOTA__COMPLETENESS="0.9")

    assert ("mqtt.example", "environment", "METERWARDEN_BROKER__HOST") == _of(found["METERWARDEN_BROKER__HOST"])
    assert (400, "environment", "METERWARDEN_INTAKE") == _of(found["METERWARDEN_INTAKE__ACCEPT_DAYS_BACK"])
    assert 0.9 == found["METERWARDEN_QUOTA__COMPLETENESS"]["value"]
    lower = {one.variable: one.origin for one in configured(Settings(), {"meterwarden_broker__host": "x"})}
    assert "environment" == lower["METERWARDEN_BROKER__HOST"]


def _of(one: dict[str, Any]) -> tuple[Any, str, str]:
    return one["value"], one["origin"], one["place"]


def test_a_secret_of_a_file_names_the_file_and_not_the_secret(tmp_path: Path) -> None:
    """Also whether it is there at all."""
    (tmp_path / "password").write_text(SECRET)
    found = shown(BROKER__PASSWORD_FILE=str(tmp_path / "password"), DATABASE__PASSWORD_FILE=str(tmp_path / "none"))

    assert (HIDDEN, "file", str(tmp_path / "password")) == _of(found["broker.password"])
    assert ("(No such file or directory)", "file", str(tmp_path / "none")) == _of(found["database.password"])


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(
    "url",
    [f"postgresql://writer:{SECRET}@db:5433/meterwarden", f"host=db user=writer password={SECRET}",
     f"postgresql://writer@db/meterwarden?password={SECRET}&sslpassword={SECRET}", f"mysql:{SECRET}@db", f"password='{SECRET}"],
)  # fmt: skip
def test_no_secret_is_shown(url: str, lang: str) -> None:
    """However the connection string is written, right or wrong, in every kind of output; with other settings wrong as well."""
    for more in ({}, {"BROKER__PORT": "0"}):
        for arguments in (["--json"], []):
            result = show(*arguments, DATABASE__URL=url, LANG=lang, **more)
            assert SECRET not in result.output
    assert "user=writer" in show(DATABASE__URL=f"postgresql://writer:{SECRET}@db:5433/meterwarden").output


def test_wrong_settings_are_shown_as_they_are_and_said() -> None:
    """Exit status 1; the others are still shown."""
    result = show(BROKER__PORT="0", BROKER__HOST="mqtt.example")

    assert 1 == result.exit_code
    assert "wrong: METERWARDEN_BROKER__PORT: Input should be greater than or equal to 1" in result.stderr
    assert "mqtt.example" in result.stdout
    assert "有误: METERWARDEN_BROKER__PORT: 应不小于 1" in show(BROKER__PORT="0", LANG="zh").stderr


def test_changed_leaves_out_the_defaults() -> None:
    """What differs from another machine is seen at once."""
    lines = show("--changed", HTTP__PORT="9999").stdout.splitlines()

    assert ["VARIABLE", "ORIGIN", "VALUE"] == lines[0].split()
    assert [["METERWARDEN_HTTP__PORT", "environment", "9999"]] == [line.split() for line in lines[1:]]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("METERWARDEN_BORKER__HOST", "METERWARDEN_BROKER__HOST"), ("METERWARDEN_BROKER__HOTS", "METERWARDEN_BROKER__HOST"),
     ("METERWARDEN_OWNER_ULR", "METERWARDEN_OWNER_URL"), ("meterwarden_http_port", "METERWARDEN_HTTP__PORT"),
     ("METERWARDEN_XYZ", "")],
)  # fmt: skip
def test_a_variable_that_is_no_setting_is_told_with_the_nearest(name: str, nearest: str) -> None:
    """A typo does not stay unseen."""
    assert {name: nearest} == unknown({name: SECRET, "PATH": "", "METERWARDEN_BROKER__PORT": "1"})


def test_variables_of_others_are_no_typos() -> None:
    """The simulator's, the stack's, those that Kubernetes sets."""
    assert {} == unknown(dict.fromkeys(["METERWARDEN_SIMULATOR_SEED", "METERWARDEN_STACK_CACHE", "METERWARDEN_SERVICE_HOST",
                                        "METERWARDEN_PORT_9464_TCP", "METERWARDEN_LANG", "METERWARDEN_BROKER"], ""))  # fmt: skip


# completion


@pytest.fixture
def program(tmp_path: Path) -> dict[str, str]:
    """An environment in which `meterwarden` is this checkout's."""
    path = tmp_path / "bin" / "meterwarden"
    path.parent.mkdir()
    path.write_text(f'#!/bin/sh\nexec {sys.executable} -m ingest "$@"\n')
    path.chmod(0o755)
    return {**os.environ, "PATH": f"{path.parent}:{os.environ['PATH']}", "PYTHONPATH": str(Path(__file__).parents[2])}


def completed(program: dict[str, str], words: str) -> set[str]:
    """What the real bash offers after these words, the last one begun."""
    script = f"""
        eval "$(meterwarden completion bash)"
        COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        declared=$(complete -p meterwarden); function=${{declared#*-F }}
        ${{function%% *}} meterwarden
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "--norc", "-c", script], env=program, capture_output=True, text=True, check=False, timeout=60)
    assert (0, "") == (done.returncode, done.stderr)
    return set(done.stdout.split())


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
@pytest.mark.parametrize(
    ("words", "offered"),
    [("meterwarden fin", {"findings"}), ("meterwarden findings list --st", {"--state"}),
     ("meterwarden findings list --state cl", {"closed"}), ("meterwarden completion ''", {"bash", "zsh", "fish"}),
     ("meterwarden --lang zh simulate publish --led", {"--ledger"}), ("meterwarden quarantine ''",
                                                                    {"list", "show", "replay", "purge", "export"})],
)  # fmt: skip
def test_bash_completes_commands_options_and_values(program: dict[str, str], words: str, offered: set[str]) -> None:
    """As the parser knows them, in the real bash."""
    assert offered == completed(program, words)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_one_its_shell_takes(shell: str, tmp_path: Path) -> None:
    """Checked by the shell itself, where there is one."""
    script = CliRunner().invoke(main, ["completion", shell]).stdout
    assert "_METERWARDEN_COMPLETE" in script
    if shutil.which(shell):
        (tmp_path / "script").write_text(script)
        done = subprocess.run([shell, "-n", tmp_path / "script"], capture_output=True, text=True, check=False, timeout=30)
        assert (0, "") == (done.returncode, done.stderr)
