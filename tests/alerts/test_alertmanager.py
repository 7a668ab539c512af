"""The shipped Alertmanager configuration: what amtool says of it, who is told, what is kept back, and how a message reads."""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ingest.alerts import rules
from ingest.stack import Alertmanager, programs
from tests.notices import SECRETS, SHIPPED, Notices, notices, shipped_alertmanager
from tests.running import eventually, own_directory

CONFIGURATION = SHIPPED / "alertmanager.yml"
ALERTS = dict(re.findall(r"- alert: (\w+)\n(?:.*\n)*?          severity: (\w+)\n", rules()))
A, B = {"job": "meterwarden", "instance": "a:9464"}, {"job": "meterwarden", "instance": "b:9464"}
SCHOOL = {"job": "meterwarden", "region": "XN", "institution": "school-1"}
QUOTA = {**SCHOOL, "indicator": "electricity_per_area", "period_kind": "month", "period": "running"}
MEMBERS = {"job": "meterwarden"}
DISK = {"job": "node", "instance": "node-exporter:9100", "mountpoint": "/watched/database"}
BACKUPS = {"job": "node", "instance": "node-exporter:9100"}
WATCHDOG = ("MeterwardenWatchdog", dict[str, str]())


def amtool(*arguments: str | Path) -> str:
    done = subprocess.run([programs(print).amtool, *arguments], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_amtool_accepts_the_configuration() -> None:
    """With its templates."""
    said = amtool("check-config", CONFIGURATION)
    assert "1 templates\n  SUCCESS" in said


def test_every_alert_it_names_exists() -> None:
    """An alert that was renamed would be told to the wrong people, or keep nothing back."""
    patterns = re.findall(r'alertname=~?"([^"]+)"', CONFIGURATION.read_text(encoding="utf-8"))
    named = {part for pattern in patterns for part in pattern.split("|")}
    assert len(named) > 20
    assert not [part for part in named if not any(re.fullmatch(part, name) for name in ALERTS)]


def test_no_secret_stands_in_the_configuration() -> None:
    """Each is a file below one directory, and nothing else may hold one."""
    text = CONFIGURATION.read_text(encoding="utf-8")
    keys = re.findall(r"^[ -]*(\w*(?:url|password|secret|token|credentials|key)\w*): (.*)$", text, re.MULTILINE)
    assert {key for key, _ in keys} == {"api_url_file", "url_file", "smtp_auth_password_file"}
    assert all(value.startswith(f"{SECRETS}/") for _, value in keys)


def receiver_of(name: str, labels: dict[str, str]) -> str:
    given = [f"{key}={value}" for key, value in {"alertname": name, "severity": ALERTS[name], **labels}.items()]
    return amtool("config", "routes", "test", f"--config.file={CONFIGURATION}", *given).strip()


@pytest.mark.parametrize(
    ("name", "labels", "receiver"),
    [
        ("MeterwardenIngestDown", A, "on-call"),
        ("MeterwardenCommitSlow", A, "operators"),
        ("MeterwardenInstitutionSilent", SCHOOL, "operators"),
        ("MeterwardenQuotaExceeded", QUOTA, "energy-office"),
        ("MeterwardenDuplicatesJump", MEMBERS, "records"),
        ("MeterwardenDiskLow", DISK, "on-call"),
        ("MeterwardenBackupOld", BACKUPS, "on-call"),
        ("MeterwardenBackupFailed", BACKUPS, "operators"),
        ("MeterwardenWatchdog", {}, "heartbeat"),
        ("MeterwardenWatchdog", {**SCHOOL, "severity": "critical"}, "heartbeat"),
    ],
)
def test_who_is_told(name: str, labels: dict[str, str], receiver: str) -> None:
    """By severity first, then by what it is about."""
    assert receiver_of(name, labels) == receiver


def test_what_is_no_warning_reaches_nobody_by_night() -> None:
    """Every alert of severity info goes to the records, every critical one to who is on call."""
    wanted = {"critical": "on-call", "info": "records", "none": "heartbeat"}
    for name, severity in ALERTS.items():
        if severity in wanted:
            assert receiver_of(name, {}) == wanted[severity], name


# The templates


def alert(status: str, **annotations: str) -> dict[str, Any]:
    labels = {"alertname": "MeterwardenQuotaExceeded", "severity": "warning", **SCHOOL}
    end = "2026-11-20T05:00:00Z" if status == "resolved" else "0001-01-01T00:00:00Z"
    return {"status": status, "labels": labels, "annotations": annotations, "startsAt": "2026-11-20T04:00:00Z", "endsAt": end}


ENGLISH = {"summary": "school-1 is over.", "description": "It has used 103.4%."}
CHINESE = {"summary_zh": "用能单位 school-1 超定额。", "description_zh": "已使用 103.4%。"}


def rendered(tmp_path: Path, template: str, *alerts: dict[str, Any]) -> str:
    status = "firing" if any(one["status"] == "firing" for one in alerts) else "resolved"
    group = {"receiver": "r", "status": status, "alerts": alerts, "groupLabels": {"region": "XN", "institution": "school-1"},
             "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://127.0.0.1"}  # fmt: skip
    (tmp_path / "group.json").write_text(json.dumps(group), encoding="utf-8")
    call = '--template.text={{ template "' + template + '" . }}'
    glob = f"--template.glob={SHIPPED}/templates/*.tmpl"
    return amtool("template", "render", glob, f"--template.data={tmp_path}/group.json", call).strip()


def test_a_subject_names_state_place_and_matter_in_both_languages(tmp_path: Path) -> None:
    """And that there is more than one."""
    firing, resolved = alert("firing", **ENGLISH, **CHINESE), alert("resolved", **ENGLISH, **CHINESE)
    matter = "XN school-1 用能单位 school-1 超定额。 | school-1 is over."
    assert rendered(tmp_path, "meterwarden.subject", firing) == f"[告警 FIRING 1] {matter}"
    assert rendered(tmp_path, "meterwarden.subject", resolved) == f"[已恢复 RESOLVED 1] {matter}"
    assert rendered(tmp_path, "meterwarden.subject", firing, firing, resolved) == f"[告警 FIRING 2] {matter} …"


def test_a_text_tells_every_alert_in_both_languages(tmp_path: Path) -> None:
    """With labels, the way to the runbook, and when it ended; resolved ones apart from those that still fire."""
    link = "docs/runbook.md#meterwardenquotaexceeded"
    text = rendered(
        tmp_path,
        "meterwarden.text",
        alert("firing", **ENGLISH, **CHINESE, runbook_url=link),
        alert("resolved", **ENGLISH, **CHINESE),
    )
    firing, _, resolved = text.partition("== 已恢复 · resolved (1) ==")
    assert firing.startswith("== 告警 · firing (1) ==")
    for part in (firing, resolved):
        assert all(words in part for words in (*ENGLISH.values(), *CHINESE.values()))
        assert "MeterwardenQuotaExceeded (warning) institution=school-1 region=XN" in part
    assert f"what to do: {link}" in firing
    assert "ended:" in resolved
    assert "ended:" not in firing


def test_a_missing_language_is_made_up_for_by_the_other(tmp_path: Path) -> None:
    """Alerts of other rule files may have one only."""
    text = rendered(tmp_path, "meterwarden.text", alert("firing", **ENGLISH))
    assert text.count("It has used 103.4%.") == 2
    assert rendered(tmp_path, "meterwarden.subject", alert("firing", **CHINESE)).count("school-1 超定额。") == 2


# What the real Alertmanager does with it


@pytest.fixture
async def delivered() -> AsyncIterator[tuple[Alertmanager, Notices]]:
    """It, running, and what it delivers."""
    async with notices() as found:
        with own_directory() as directory, shipped_alertmanager(programs(print), directory / "alertmanager", found) as server:
            await asyncio.to_thread(server.start)
            yield server, found


async def post(server: Alertmanager, *named: tuple[str, dict[str, str]], ended: bool = False) -> None:
    """Alerts as Prometheus sends them, beginning only when they have long come: what is older than `group_wait` waits for no cause.

    However late they come, then, they are new.
    """
    now = datetime.now(UTC)
    begin, end = (now, now) if ended else (now + timedelta(minutes=5), now + timedelta(hours=1))
    times = {"startsAt": begin.isoformat(), "endsAt": end.isoformat()}
    body = [
        {"labels": {"alertname": name, "severity": ALERTS[name], **labels}, "annotations": ENGLISH | CHINESE, **times}
        for name, labels in named
    ]
    async with aiohttp.ClientSession() as client, client.post(f"http://127.0.0.1:{server.port}/api/v2/alerts", json=body) as answer:
        assert answer.status == 200, await answer.text()


async def held_back(server: Alertmanager) -> set[tuple[str, str]]:
    """Name and instance or institution of the alerts that are inhibited now."""
    async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{server.port}/api/v2/alerts") as answer:
        alerts = await answer.json()
    return {(one["labels"]["alertname"], one["labels"].get("instance") or one["labels"].get("institution", ""))
            for one in alerts if one["status"]["inhibitedBy"]}  # fmt: skip


CASES = {
    "a process that is down keeps back its own consequences, and what all see less of; not another's, nor a verdict": (
        [("MeterwardenIngestDown", A), ("MeterwardenNotReady", A), ("MeterwardenNotReady", B), ("MeterwardenCommitSlow", B),
         ("MeterwardenInstitutionSilent", SCHOOL), ("MeterwardenQuotaExceeded", QUOTA), ("MeterwardenBrokerDropping", MEMBERS)],
        {("MeterwardenNotReady", "a:9464"), ("MeterwardenInstitutionSilent", "school-1")},
    ),
    "without its broker a process is not ready, no canary comes, and meters seem silent": (
        [("MeterwardenBrokerDisconnected", A), ("MeterwardenNotReady", A), ("MeterwardenCanaryMissing", A),
         ("MeterwardenCanaryMissing", B), ("MeterwardenMetersSilent", SCHOOL), ("MeterwardenGatewayOffline", SCHOOL),
         ("MeterwardenBrokerSessionLost", A)],
        {("MeterwardenNotReady", "a:9464"), ("MeterwardenCanaryMissing", "a:9464"), ("MeterwardenMetersSilent", "school-1"),
         ("MeterwardenGatewayOffline", "school-1")},
    ),
    "without its database nothing is committed or settled": (
        [("MeterwardenDatabaseAway", A), ("MeterwardenCommitStalled", A), ("MeterwardenCommitStalled", B),
         ("MeterwardenSettlementStalled", MEMBERS), ("MeterwardenQuarantineNearCap", MEMBERS)],
        {("MeterwardenCommitStalled", "a:9464"), ("MeterwardenSettlementStalled", "")},
    ),
    "an institution over its quota is not near it too; another indicator is": (
        [("MeterwardenQuotaExceeded", QUOTA), ("MeterwardenQuotaNearLimit", QUOTA),
         ("MeterwardenQuotaNearLimit", {**QUOTA, "institution": "school-2"}),
         ("MeterwardenQuotaExceeded", {**QUOTA, "institution": "school-3"}),
         ("MeterwardenQuotaNearLimit", {**QUOTA, "institution": "school-3", "indicator": "water_per_person"})],
        {("MeterwardenQuotaNearLimit", "school-1")},
    ),
    "a gateway that is offline explains its own institution's silence": (
        [("MeterwardenGatewayOffline", SCHOOL), ("MeterwardenInstitutionSilent", SCHOOL),
         ("MeterwardenInstitutionSilent", {**SCHOOL, "institution": "school-2"})],
        {("MeterwardenInstitutionSilent", "school-1")},
    ),
    "settlement that stands still is behind as well, and a purge was near the cap": (
        [("MeterwardenSettlementStalled", MEMBERS), ("MeterwardenSettlementBehind", MEMBERS),
         ("MeterwardenSettlementLate", MEMBERS), ("MeterwardenQuarantineOpenPurged", A), ("MeterwardenQuarantineNearCap", MEMBERS)],
        {("MeterwardenSettlementBehind", ""), ("MeterwardenSettlementLate", ""), ("MeterwardenQuarantineNearCap", "")},
    ),
    "a disk that is nearly full fills as well; another one does too": (
        [("MeterwardenDiskLow", DISK), ("MeterwardenDiskFilling", DISK),
         ("MeterwardenDiskFilling", {**DISK, "mountpoint": "/watched/broker", "instance": "b:9100"})],
        {("MeterwardenDiskFilling", "node-exporter:9100")},
    ),
    "two nights without a backup are told as such, not as last night's failure; elsewhere one night's is": (
        [("MeterwardenBackupOld", BACKUPS), ("MeterwardenBackupFailed", BACKUPS),
         ("MeterwardenBackupFailed", {**BACKUPS, "instance": "b:9100"})],
        {("MeterwardenBackupFailed", "node-exporter:9100")},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
async def test_a_cause_keeps_its_consequences_back(case: str, delivered: tuple[Alertmanager, Notices]) -> None:
    """And nothing else; asked once all of the case's groups have been told of, so that inhibition had its turn."""
    server, found = delivered
    posted, kept_back = CASES[case]
    await post(server, *posted)

    def told() -> set[tuple[str, str]]:
        every = [one["labels"] for group in found.posted for one in group["alerts"]]
        return {(labels["alertname"], labels.get("instance") or labels.get("institution", "")) for labels in every}

    wanted = {(name, labels.get("instance") or labels.get("institution", "")) for name, labels in posted} - kept_back
    await eventually(lambda: wanted <= told(), f"told {wanted}")
    assert told() == wanted
    assert await held_back(server) == kept_back


async def test_one_message_a_region_for_silence_and_one_an_institution_for_quotas(delivered: tuple[Alertmanager, Notices]) -> None:
    """Three silent institutions of two regions are two messages; two institutions over their quotas are two."""
    server, found = delivered
    silent = [{**SCHOOL, "institution": f"school-{number}", "region": region} for number, region in enumerate(("XN", "XN", "WH"))]
    over = [{**QUOTA, "institution": code, "indicator": name} for code, name in
            (("school-8", "electricity_per_area"), ("school-8", "water_per_person"), ("school-9", "water_per_person"))]  # fmt: skip
    await post(
        server, *(("MeterwardenInstitutionSilent", one) for one in silent), *(("MeterwardenQuotaExceeded", one) for one in over)
    )
    await eventually(lambda: len(found.posted) >= 4, "four groups")
    groups = sorted((group["receiver"], *sorted(group["groupLabels"].items()), len(group["alerts"])) for group in found.posted)
    assert groups == [
        ("energy-office", ("institution", "school-8"), ("region", "XN"), 2),
        ("energy-office", ("institution", "school-9"), ("region", "XN"), 1),
        ("operators", ("alertname", "MeterwardenInstitutionSilent"), ("region", "WH"), 1),
        ("operators", ("alertname", "MeterwardenInstitutionSilent"), ("region", "XN"), 2),
    ]


async def test_a_critical_alert_reaches_chat_mail_and_hook_and_so_does_its_end(delivered: tuple[Alertmanager, Notices]) -> None:
    """In both languages, rendered by Alertmanager itself."""
    server, found = delivered
    for state, heading, ended in (("firing", "告警 FIRING 1", False), ("resolved", "已恢复 RESOLVED 1", True)):
        await post(server, ("MeterwardenIngestDown", A), ended=ended)
        words = (heading, f"· {state} (1)", *ENGLISH.values(), *CHINESE.values(), "instance=a:9464")
        await eventually(lambda words=words: found.to_chat(*words), f"chat: {words}")
        await eventually(lambda words=words: found.mail(*words), f"mail: {words}")
        await eventually(lambda state=state: [one for one in found.posted if one["status"] == state], f"hook: {state}")


# The dead man's switch


def test_the_heartbeat_repeats_at_every_interval() -> None:
    """Alertmanager looks once an interval whether it is time to repeat; it must be, so the time is shorter."""
    (route,) = re.findall(r'alertname="MeterwardenWatchdog"\](.*?)\n\n', CONFIGURATION.read_text(encoding="utf-8"), re.DOTALL)
    times = dict(re.findall(r"(\w+): (\w+)$", route, re.MULTILINE))
    assert times == {"receiver": "heartbeat", "group_wait": "0s", "group_interval": "1m", "repeat_interval": "50s"}


async def test_the_heartbeat_is_delivered_again_and_again_alone_whatever_else_fires(
    delivered: tuple[Alertmanager, Notices],
) -> None:
    """With every alert there is firing beside it: none in its message, none keeps it back, and it reaches nobody else."""
    server, found = delivered
    everything = [(name, {**SCHOOL, **A}) for name in ALERTS if name != WATCHDOG[0]]
    await post(server, WATCHDOG, *everything)
    await eventually(lambda: len(found.heartbeats) >= 4, "heartbeats")
    await eventually(lambda: of_down(found), "who is on call has heard")
    assert {(WATCHDOG[0],)} == {tuple(one["labels"]["alertname"] for one in beat["alerts"]) for beat in found.heartbeats}
    assert {0} == {beat["truncatedAlerts"] for beat in found.heartbeats}
    assert WATCHDOG[0] not in {one["labels"]["alertname"] for group in found.posted for one in group["alerts"]}
    assert WATCHDOG[0] not in {name for name, _ in await held_back(server)}
    assert len(of_down(found)) == 1  # its hour has not passed


def of_down(found: Notices) -> list[dict[str, Any]]:
    """What was posted of a process that is down."""
    return [group for group in found.posted if group["groupLabels"].get("alertname") == "MeterwardenIngestDown"]


async def test_the_end_of_the_watchdog_is_no_sign_of_life(delivered: tuple[Alertmanager, Notices]) -> None:
    """When Prometheus is gone Alertmanager sees the alert end: told outside, that would count as one more beat."""
    server, found = delivered
    await post(server, WATCHDOG, ("MeterwardenIngestDown", A))
    await eventually(lambda: found.heartbeats and found.posted, "both told")
    await post(server, WATCHDOG, ("MeterwardenIngestDown", A), ended=True)
    await eventually(lambda: [one for one in found.posted if one["status"] == "resolved"], "the other's end is told")
    beats = len(found.heartbeats)
    await post(server, WATCHDOG)
    await eventually(lambda: len(found.heartbeats) > beats, "it is back")
    assert {"firing"} == {beat["status"] for beat in found.heartbeats}
