"""Prometheus and Alertmanager, on the project's own rules."""

import http.client
import json
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from ingest.stack import places
from ingest.stack.errors import StackError
from ingest.stack.packages import Programs
from ingest.stack.ports import free_port
from ingest.stack.relocation import TEMPLATES, WEB
from ingest.stack.server import Server

ANSWER_SECONDS = 10
RETENTION = "7d"
# Prometheus learns of Alertmanager some seconds after its own start; an alert that fired before then would wait a minute.
RESEND_DELAY = "5s"
PROMETHEUS_CONFIGURATION = """\
global:
  scrape_interval: {scrape_interval}
  evaluation_interval: {evaluation_interval}
rule_files: [rules.yaml]
alerting:
  alertmanagers:
    - static_configs:
        - targets: ["127.0.0.1:{alertmanager_port}"]
scrape_configs:
  - job_name: targets
    file_sd_configs:
      - files: [targets/*.json]
        refresh_interval: 2s  # changes are noticed at once by inotify; this is for file systems without it
"""
# Delays fit a demonstration: an operator would wait longer before the first message and between two.
ALERTMANAGER_CONFIGURATION = """\
route:
  receiver: {receiver}
  group_by: [institution]
  group_wait: 1s
  group_interval: 5s
  repeat_interval: 4h
receivers:
  - name: nobody
"""
WEBHOOK = """\
  - name: webhook
    webhook_configs:
      - url: http://127.0.0.1:{port}/
        send_resolved: true
"""


class Prometheus(Server):
    """Evaluates the rules over what it scrapes, and reports to Alertmanager."""

    name = "prometheus"

    @classmethod
    def create(
        cls,
        programs: Programs,
        directory: Path,
        rules: str,
        alertmanager_port: int,
        evaluation_interval: str = "15s",
        scrape_interval: str = "15s",
        port: int | None = None,
        *,
        linger: bool = False,
    ) -> Self:
        """A Prometheus not started yet, without targets. `rules` is the text of a rule file; intervals read like 15s."""
        server = cls(programs, places.provide(directory), port or free_port(), linger=linger)
        configuration = PROMETHEUS_CONFIGURATION.format(
            scrape_interval=scrape_interval,
            evaluation_interval=evaluation_interval,
            alertmanager_port=alertmanager_port,
        )
        places.write(directory / "prometheus.yaml", configuration)
        places.write(directory / "rules.yaml", rules)
        places.provide(directory / "targets")
        places.provide(directory / "tsdb")
        WEB.provide(programs.root, server.working_directory)
        return server

    def scrape(self, job: str, port: int) -> None:
        """Metrics of 127.0.0.1:port are collected as this job from now on, in place of the job's former target."""
        groups = [{"targets": [f"127.0.0.1:{port}"], "labels": {"job": job}}]
        places.write(self.directory / "targets" / f"{job}.json", json.dumps(groups))

    def alerts(self) -> list[dict[str, Any]]:
        """Alerts that are pending or firing now, as /api/v1/alerts gives them."""
        alerts: list[dict[str, Any]] = self._api("/api/v1/alerts")["alerts"]
        return alerts

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The expression's vector now: one {"metric": labels, "value": [unix seconds, text]} per series."""
        series: list[dict[str, Any]] = self._api("/api/v1/query?" + urlencode({"query": expression}))["result"]
        return series

    def command(self) -> list[str | Path]:
        """prometheus in the foreground."""
        return [
            self.programs.prometheus,
            f"--config.file={self.directory / 'prometheus.yaml'}",
            f"--storage.tsdb.path={self.directory / 'tsdb'}",
            f"--storage.tsdb.retention.time={RETENTION}",
            f"--rules.alert.resend-delay={RESEND_DELAY}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]

    def ready(self) -> bool:
        """True if /-/ready says so."""
        return _is_ready(self.port)

    def _api(self, path: str) -> dict[str, Any]:
        status, body = _get(self.port, path)
        answer: dict[str, Any] = json.loads(body) if body[:1] == b"{" else {}
        if status != http.HTTPStatus.OK:
            raise StackError(f"Prometheus answers {status} to {path}: {answer.get('error', body)!r}")
        inner: dict[str, Any] = answer["data"]
        return inner


class Alertmanager(Server):
    """Groups alerts by institution and hands them to a webhook, if there is one."""

    name = "alertmanager"

    @classmethod
    def create(
        cls,
        programs: Programs,
        directory: Path,
        port: int | None = None,
        webhook_port: int | None = None,
        *,
        configuration: str | None = None,
        linger: bool = False,
    ) -> Self:
        """An Alertmanager not started yet, posting to http://127.0.0.1:webhook_port/, or to nobody, or as `configuration` says."""
        server = cls(programs, places.provide(directory), port or free_port(), linger=linger)
        places.write(directory / "alertmanager.yaml", configuration or _configuration(webhook_port))
        places.provide(directory / "state")
        TEMPLATES.provide(programs.root, server.working_directory)
        return server

    def command(self) -> list[str | Path]:
        """alertmanager in the foreground, without the port its cluster would open."""
        return [
            self.programs.alertmanager,
            f"--config.file={self.directory / 'alertmanager.yaml'}",
            f"--storage.path={self.directory / 'state'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
        ]

    def ready(self) -> bool:
        """True if /-/ready says so."""
        return _is_ready(self.port)


def _configuration(webhook_port: int | None) -> str:
    configuration = ALERTMANAGER_CONFIGURATION.format(receiver="webhook" if webhook_port else "nobody")
    return configuration + (WEBHOOK.format(port=webhook_port) if webhook_port else "")


def _is_ready(port: int) -> bool:
    try:
        return _get(port, "/-/ready")[0] == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False


def _get(port: int, path: str) -> tuple[int, bytes]:
    # http.client rather than urllib: a proxy set in the environment must not come between
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
