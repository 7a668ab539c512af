"""The main job on real embedded servers: a fleet publishes a month, the service settles it, units over quota are flagged.

Everything is started as a user would: the service and the simulator are processes of their own, Prometheus scrapes and evaluates
the shipped rules (every second, without `for`), and the simulator's ledger judges the result at the end.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
from pydantic import SecretStr

from ingest.alerts import rules, without_waiting
from ingest.settings import DatabaseSettings
from ingest.stack import Stack, free_port
from ingest.storage.bootstrap import Prepared, prepare
from ingest.storage.connection import connected
from ingest.storage.registry_csv import read_files
from ingest.storage.registry_import import apply_registry
from ingest.words import words

ACCEPT_DAYS_BACK: Final = "75"
"""The last closed month begins up to 62 days ago."""
SETTLED_SECONDS: Final = 120.0
"""After publishing so long may it take until everything is stored and settled."""
ALERTS_SECONDS: Final = 45.0
SHOWN_UNITS: Final = 12

Say = Callable[[str], None]


class DemoFailed(Exception):  # noqa: N818 - says what happened
    """A part of the demonstration ended or hung; the text says which, and where its log is."""


@dataclass(frozen=True, slots=True)
class Running:
    """What the steps of the demonstration share."""

    stack: Stack
    prepared: Prepared
    directory: Path
    environment: dict[str, str]
    metrics_port: int
    fleet: tuple[str, ...]
    say: Say

    @property
    def reader_url(self) -> str:
        """The database, as its reader."""
        return self.prepared.uri_with_password("meterwarden_reader")


async def demo(institutions: int, seed: int, *, keep: bool, say: Say) -> bool:
    """Run it all; True where ledger, database, counters and alerts agree. Raises DemoFailed, StackError."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="meterwarden-demo-") as name:
        stack = Stack.create(say=say, rules=without_waiting(rules()), evaluation_interval="1s", scrape_interval="1s")
        with stack:
            say(words("servers are up", "服务器已启动") + f" ({time.monotonic() - started:.1f} s)")
            running = await _prepare(stack, Path(name), institutions, seed, say)
            async with _service(running):
                agrees = await _show(running)
                if keep:
                    await _hold(running)
    return agrees


async def _prepare(stack: Stack, directory: Path, institutions: int, seed: int, say: Say) -> Running:
    """Database and registry, ready for the service."""
    prepared = await prepare(stack.postgres.url(), "meterwarden", directory / "passwords")
    port = free_port()
    environment = {
        **os.environ,
        **service_environment(prepared),
        "METERWARDEN_BROKER__HOST": "127.0.0.1",
        "METERWARDEN_BROKER__PORT": str(stack.mosquitto.port),
        "METERWARDEN_BROKER__USERNAME": "ingest",
        "METERWARDEN_BROKER__PASSWORD_FILE": str(stack.password_file("ingest")),
        "METERWARDEN_HTTP__PORT": str(port),
        "METERWARDEN_INTAKE__ACCEPT_DAYS_BACK": ACCEPT_DAYS_BACK,
        "METERWARDEN_INTAKE__REPLAY_SECONDS": "2",
        "METERWARDEN_SETTLEMENT__ROUND_SECONDS": "0.5",
    }
    fleet = ("--institutions", str(institutions), "--seed", str(seed))
    running = Running(stack, prepared, directory, environment, port, fleet, say)
    await _simulate(running, "registry", str(directory / "registry"), *fleet, shown=False)
    files = read_files(directory / "registry")
    writer = DatabaseSettings(url=SecretStr(prepared.uri_with_password("meterwarden_writer")))
    async with connected(writer) as connection:
        difference = await apply_registry(connection, files, dry_run=False)
    say(words(
        f"registry: {len(files['institutions'])} institutions, {len(files['meters'])} meters; {len(difference.added)} rows",
        f"台账: {len(files['institutions'])} 家机构, {len(files['meters'])} 块表, 示例定额 (共 {len(difference.added)} 行)",
    ))  # fmt: skip
    return running


def service_environment(prepared: Prepared) -> Mapping[str, str]:
    """The settings that point the service at a prepared database."""
    writer = "meterwarden_writer"
    return {
        "METERWARDEN_DATABASE__URL": prepared.url(writer),
        "METERWARDEN_DATABASE__PASSWORD_FILE": str(prepared.password_files[writer]),
    }


@asynccontextmanager
async def _service(running: Running) -> AsyncIterator[None]:
    """The service as a process of its own, scraped by Prometheus; drained and ended at the end of the block."""
    log = running.directory / "service.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *_meterwarden("run"), env=running.environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        await _until(lambda: _is_ready(running, process), 30, "the service did not become ready", log)
        assert running.stack.prometheus is not None
        running.stack.prometheus.scrape("meterwarden", running.metrics_port)
        running.say(words("service is ready", "服务已就绪"))
        yield
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(30):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _show(running: Running) -> bool:
    ledger = running.directory / "ledger.sqlite"
    broker = ("--port", str(running.stack.mosquitto.port), "--username", "simulator")
    password = ("--password-file", str(running.stack.password_file("simulator")))
    watcher = asyncio.create_task(_watch(running), name="demo.watch")
    try:
        await _simulate(running, "publish", *running.fleet, "--ledger", str(ledger), *broker, *password)
        log = running.directory / "service.log"
        await _until(lambda: _is_settled(running), SETTLED_SECONDS, "not everything was settled in time", log)
    finally:
        watcher.cancel()
    flagged = await _show_flagged(running)
    alerts_agree = await _show_alerts(running, flagged)
    running.say("")
    return await _compare(running, ledger) and alerts_agree


async def _compare(running: Running, ledger: Path) -> bool:
    """Database and counters against the ledger; the last line says it all."""
    compared = ("verify", "--ledger", str(ledger), "--database-url", running.reader_url, "--json")
    _, lines = await _simulate(running, *compared, shown=False, check=False)
    figures = json.loads(lines[-1])
    counts = await _counts(running)
    for problem in figures["problems"]:
        running.say(f"  {problem}")
    balanced = counts["received"] == counts["stored"] + counts["duplicate"] + counts["rejected"] + counts["in_flight"]
    agrees = bool(figures["agrees"]) and balanced and counts["received"] == figures["published"] + figures["repeated"]
    running.say(words(_DELIVERIES, _DELIVERIES_ZH).format(**counts))
    running.say(words(_COMPARED, _COMPARED_ZH).format(verdict=_verdict(agrees), **figures))
    return agrees


_DELIVERIES: Final = (
    "deliveries: {received:,.0f} = {stored:,.0f} stored + {duplicate:,.0f} duplicate + {rejected:,.0f} rejected"
    " + {in_flight:,.0f} in flight"
)
_DELIVERIES_ZH: Final = (
    "投递: {received:,.0f} = 入库 {stored:,.0f} + 重复 {duplicate:,.0f} + 拒收 {rejected:,.0f} + 在途 {in_flight:,.0f}"
)
_COMPARED: Final = (
    "{verdict}: {published:,} distinct messages = {stored:,} stored + {rejected:,} rejected ({quarantined:,} in quarantine), "
    "{repeated:,} repeats; readings {readings_expected:,} sent, {readings_found:,} found; consumption differs by "
    "{largest_difference_display_steps} display steps at most; flags {flags_expected} expected, {flags_raised} raised"
)
_COMPARED_ZH: Final = (
    "{verdict}: 不同消息 {published:,} = 入库 {stored:,} + 拒收 {rejected:,} (隔离区 {quarantined:,}), 重复发布 {repeated:,}; "
    "读数 发送 {readings_expected:,}, 入库 {readings_found:,}; 用量差最大 {largest_difference_display_steps} 个显示步长; "
    "超额标记 应有 {flags_expected}, 实有 {flags_raised}"
)


def _verdict(agrees: bool) -> str:
    return words("LEDGER AND DATABASE AGREE", "账本与数据库一致") if agrees else words("THEY DISAGREE", "账本与数据库不一致")


async def _watch(running: Running) -> None:
    """One line every few seconds while the month flows in."""
    while True:
        await asyncio.sleep(3)
        with contextlib.suppress(aiohttp.ClientError, OSError):
            counts = await _counts(running)
            running.say(words(
                f"  … messages received {counts['received']:,.0f}, readings stored {counts['readings_stored']:,.0f}, "
                f"channel-hours waiting to be settled {counts['marks']:,.0f}",
                f"  … 已接收消息 {counts['received']:,.0f}, 已存读数 {counts['readings_stored']:,.0f}, "
                f"待结算通道小时 {counts['marks']:,.0f}",
            ))  # fmt: skip


async def _show_flagged(running: Running) -> list[tuple[Any, ...]]:
    """The institutions over the constraint in the closed month, highest first."""
    flagged = await _rows(
        running,
        """SELECT institution, name, indicator, unit, used / denominator, allowance / denominator, used_ratio, standard, sample,
                  measured_share, period_start
           FROM meterwarden.quota_status WHERE level = 'exceeded' AND closed AND period_kind = 'month' ORDER BY used_ratio DESC""",
    )
    running.say("")
    running.say(words("over quota in the closed month (sample quotas, no standard):", "上月超定额 (示例定额, 非标准):"))
    for institution, name, indicator, unit, used, allowed, ratio, standard, _, measured, month in flagged[:SHOWN_UNITS]:
        running.say(
            f"  {month:%Y-%m}  {institution}  {indicator:<20} {used:8.2f} > {allowed:6.2f} {unit:<9} {ratio:5.0%}"
            f"  {words('measured', '实测')} {measured:.0%}  [{standard}]  {name}"
        )
    if len(flagged) > SHOWN_UNITS:
        running.say(f"  … {len(flagged) - SHOWN_UNITS} {words('more', '更多')}")
    return flagged


async def _show_alerts(running: Running, flagged: list[tuple[Any, ...]]) -> bool:
    """What Prometheus itself reports; it must be exactly the flagged units, and nothing wrong with the service."""
    wanted = {(row[0], row[2]) for row in flagged}
    prometheus = running.stack.prometheus
    assert prometheus is not None
    deadline = time.monotonic() + ALERTS_SECONDS
    while (found := _exceeded(alerts := await asyncio.to_thread(prometheus.alerts))) != wanted and time.monotonic() < deadline:
        await asyncio.sleep(0.5)
    by_name: dict[str, int] = {}
    for alert in alerts:
        if alert["state"] == "firing":
            by_name[alert["labels"]["alertname"]] = by_name.get(alert["labels"]["alertname"], 0) + 1
    running.say("")
    running.say(words("alerts firing, as Prometheus reports them:", "Prometheus 报告的告警:"))
    for name, number in sorted(by_name.items()):
        running.say(f"  {name} x {number}")
    agrees = found == wanted
    running.say(words(
        f"  MeterwardenQuotaExceeded: {len(found)} firing, {len(wanted)} units flagged: {'equal' if agrees else 'NOT EQUAL'}",
        f"  MeterwardenQuotaExceeded: {len(found)} 条告警, {len(wanted)} 家超额: {'一致' if agrees else '不一致'}",
    ))  # fmt: skip
    return agrees


def _exceeded(alerts: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {
        (alert["labels"]["institution"], alert["labels"]["indicator"])
        for alert in alerts
        if alert["labels"]["alertname"] == "MeterwardenQuotaExceeded" and alert["state"] == "firing"
    }


_METRICS: Final = {
    "received": "meterwarden_messages_received_total",
    "stored": 'meterwarden_messages_total{outcome="stored"}',
    "duplicate": 'meterwarden_messages_total{outcome="duplicate"}',
    "rejected": 'meterwarden_messages_total{outcome="rejected"}',
    "in_flight": "meterwarden_messages_in_flight",
    "readings_stored": 'meterwarden_readings_total{outcome="stored"}',
    "marks": "meterwarden_settlement_marks_waiting",
}


async def _counts(running: Running) -> dict[str, float]:
    """The service's own counters, from one scrape."""
    async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{running.metrics_port}/metrics") as response:
        lines = dict(line.rsplit(" ", 1) for line in (await response.text()).splitlines() if not line.startswith("#"))
    return {name: float(lines[metric]) for name, metric in _METRICS.items()}


async def _is_ready(running: Running, process: asyncio.subprocess.Process) -> bool:
    if process.returncode is not None:
        raise DemoFailed(_with_log(f"the service ended with status {process.returncode}", running.directory / "service.log"))
    with contextlib.suppress(aiohttp.ClientError, OSError):
        async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{running.metrics_port}/readyz") as response:
            return response.status == 200
    return False


async def _is_settled(running: Running) -> bool:
    """Nothing waits at the broker, in intake or for settlement."""
    counts = await _counts(running)
    if counts["in_flight"] or counts["received"] == 0:
        return False
    settings = DatabaseSettings(url=SecretStr(running.stack.postgres.url("meterwarden")))
    async with connected(settings, autocommit=True) as connection:
        cursor = await connection.execute("SELECT EXISTS (SELECT FROM metering.mark)")
        waiting = (await cursor.fetchall())[0][0]
    return not waiting and counts["received"] == (await _counts(running))["received"]


async def _rows(running: Running, query: str) -> list[tuple[Any, ...]]:
    async with connected(DatabaseSettings(url=SecretStr(running.reader_url)), autocommit=True) as connection:
        return await (await connection.execute(query)).fetchall()


async def _simulate(running: Running, *arguments: str, shown: bool = True, check: bool = True) -> tuple[int, list[str]]:
    """Run `meterwarden simulate …`, its output shown as it comes. Raises DemoFailed where it must succeed and does not."""
    process = await asyncio.create_subprocess_exec(
        *_meterwarden("simulate", *arguments), env=running.environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    lines = []
    async for line in process.stdout:
        lines.append(line.decode(errors="replace").rstrip())
        if shown:
            running.say(lines[-1])
    status = await process.wait()
    if check and status:
        raise DemoFailed("\n".join([f"meterwarden simulate {arguments[0]} ended with status {status}", *lines[-5:]]))
    return status, lines


def _meterwarden(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "ingest", *arguments)


async def _until(holds: Callable[[], Any], seconds: float, otherwise: str, log: Path) -> None:
    deadline = time.monotonic() + seconds
    while not await holds():
        if time.monotonic() > deadline:
            raise DemoFailed(_with_log(otherwise, log))
        await asyncio.sleep(0.25)


def _with_log(text: str, log: Path) -> str:
    last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:]
    return "\n".join([text, "the end of its log:", *last])


async def _hold(running: Running) -> None:
    prometheus = running.stack.prometheus
    assert prometheus is not None
    running.say(words("left running until Ctrl-C:", "保持运行, 按 Ctrl-C 结束:"))
    running.say(f"  metrics     http://127.0.0.1:{running.metrics_port}/metrics")
    running.say(f"  Prometheus  http://127.0.0.1:{prometheus.port}/classic/alerts")
    running.say(f"  database    psql '{running.reader_url}'")
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await stopping.wait()
