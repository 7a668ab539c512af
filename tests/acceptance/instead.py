"""Commands of docs/ that no test types as they stand: why not, and what is checked instead. Every other command is typed."""

import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import click

from ingest.cli import main
from tests.databases import ROOT
from tests.deploy import composed
from tests.deploy.named import variables
from tests.documents import blocks, steps

README: Final = "".join(step.commands for step in steps(blocks(ROOT / "README.md")))
WORKERS: Final = re.findall(r"^  (ingest-\d+):$", (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8"), re.MULTILINE)
"""What the override in docs/deployment.md adds to compose.yaml."""
OF_ALL: Final = ("build", "config", "down", "ps", "pull")
"""Commands of Compose that may name no service."""


def is_asked_for_help(command: str) -> None:
    """`python -m MODULE` with options that its help names."""
    _python, _m, module, *given = shlex.split(command)
    assert importlib.util.find_spec(module), module
    if options := {word for word in given if word.startswith("-")}:
        done = subprocess.run(
            [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=300
        )
        assert options <= set(re.findall(r"--[\w-]+", done.stdout)), command


def is_made(command: str) -> None:
    """A target of the Makefile, and only variables that it reads."""
    _make, target, *variables_given = shlex.split(command)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), command
    for name in (given.partition("=")[0] for given in variables_given):
        assert f"$({name})" in makefile or f"$(if $({name})" in makefile, command
    subprocess.run(
        ["make", "--dry-run", "--directory", ROOT, target, *variables_given], check=True, capture_output=True, timeout=300
    )


def is_composed(command: str) -> None:
    """Every `docker compose` in it: Compose's own program knows command and options, compose.yaml knows the services."""
    for arguments in re.findall(r"docker compose ((?:'[^']*'|[^&|;)\n])+)", command):
        name, *given = shlex.split(arguments)
        if not given:
            continue  # spoken of, not called
        done = subprocess.run([composed.plugin(), name, "--help", *given], capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, f"{arguments}\n{done.stderr}"
        if name not in OF_ALL:
            places = [word for word in given if word.partition(":")[0] in {*composed.services(), *WORKERS}]
            assert places or name == "up", arguments
            after = given[given.index(places[0]) + 1 :] if places else []
            if name == "run" and places[0].startswith("ingest"):
                is_known(shlex.join(["meterwarden", *after]))
            if name == "exec" and after[:1] == ["meterwarden"]:
                is_known(shlex.join(after))


def is_known(command: str) -> None:
    """`meterwarden` with a command that there is (or COMMAND), and options that it has. Arguments are not looked at."""
    found: click.Command = main
    context = click.Context(main)
    for word in shlex.split(command)[1:]:
        if isinstance(found, click.Group) and not word.startswith("-") and not word.isupper():
            below = found.get_command(context, word)
            assert below is not None, f"no command {word}: {command}"
            found, context = below, click.Context(below, parent=context)
        elif word.startswith("--"):
            known = {"--help", *(option for parameter in found.params for option in parameter.opts)}
            assert word.partition("=")[0] in known, f"no option {word}: {command}"


def is_a_setting(command: str) -> None:
    """A name that the service or one of its commands reads; test_documents.py gives the values to the settings."""
    assert command.partition("=")[0] in variables(), command


def is_typed_in_readme(command: str) -> None:
    """By test_readme.py, as it stands or as what `make stack` does."""
    recipe = re.search(r"^stack:.*\n\t@\$\(BIN\)/(.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert recipe is not None
    readme = README.replace(".venv/bin/", "").replace("make stack", recipe[1])
    assert command.strip() in readme, command


def is_left_alone(_command: str) -> None:
    """Nothing can be said of it here."""


@dataclass(frozen=True, slots=True)
class Instead:
    """Commands of a page, the pattern that the whole of each matches, why they are not typed, and what is checked instead."""

    page: str
    pattern: str
    reason: str
    check: Callable[[str], None] = is_left_alone

    def holds(self, page: str, command: str) -> bool:
        """Whether this line speaks of the command."""
        return page == self.page and bool(re.fullmatch(self.pattern, command.strip(), re.DOTALL))


SETTING: Final = r"METERWARDEN_\w+=\S+"
COMPOSE: Final = r"(?:deploy/database/\w+ \S+ )?docker compose .*"
INSTEAD: Final = (
    Instead("broker.md", SETTING, "lines of an environment file", is_a_setting),
    Instead("broker.md", r"chown -R mosquitto: .*", "needs root, and the user that Debian's package makes"),
    Instead("broker.md", r"systemctl restart mosquitto", "needs systemd"),
    Instead("consumption.md", r"python -m benchmarks\..*", "takes minutes", is_asked_for_help),
    Instead("dashboards.md", "python -m ingest.dashboards", "writes into the checkout; test_boards.py compares", is_asked_for_help),
    Instead("deployment.md", COMPOSE, "needs a container engine; test_backup.py runs both scripts", is_composed),
    Instead("deployment.md", r"meterwarden (check|registry import registry)", "a broker of example.org", is_known),
    Instead("deployment.md", r"sudo git clone .*", "needs the history, which a release has not"),
    Instead("deployment.md", r"sudo apt-get install .*", "needs root"),
    Instead("deployment.md", r"sudo deploy/install .*", "a minute of downloads; test_install.py runs it"),
    Instead("deployment.md", r"sudo systemctl .*", "needs systemd; test_systemd.py has it read the units"),
    Instead("deployment.md", r"sudo (useradd|chgrp) .*", "changes the users of the machine"),
    Instead("deployment.md", r"git checkout v\S+ && .*docker compose build", "a version that is yet to come", is_composed),
    Instead("deployment.md", r"deploy/compose/pin > .*", "asks a registry of images; test_images.py runs it"),
    Instead("embedded-stack.md", r".*meterwarden stack .*", "typed in README's ten minutes", is_typed_in_readme),
    Instead("gateways.md", SETTING, "lines of an environment file", is_a_setting),
    Instead("performance.md", r"make bench.*", "takes minutes", is_made),
    Instead("runbook.md", r"curl .*meterwarden_certificate_expiry.*", "no certificate here; test_tls.py and test_database_tls.py"),
    Instead("runbook.md", "df -h", "its status depends on what this machine has mounted"),
    Instead("runbook.md", r"openssl s_client -starttls postgres .*", "needs a database with TLS"),
    Instead("runbook.md", r"curl .*127\.0\.0\.1:909[03]/.*", "of Prometheus and Alertmanager; test_alert_delivery.py has them"),
    Instead("runbook.md", COMPOSE, "needs a container engine", is_composed),
    Instead("runbook.md", r"systemctl .*|timedatectl|chronyc tracking", "needs systemd, and chrony"),
    Instead("vee.md", r"python -m benchmarks\..*", "takes minutes", is_asked_for_help),
)  # fmt: skip
