"""What the demonstration shows: the month flowing in, the units over quota, the alerts, and the comparison with the ledger."""

import asyncio
import contextlib
import json
import time
from pathlib import Path
from typing import Any, Final

import aiohttp

from ingest.demo.running import Running, counters, import_registry, rows, simulate, until
from ingest.words import words

SETTLED_SECONDS: Final = 120.0
"""After publishing so long may it take until everything is stored and settled."""
ALERTS_SECONDS: Final = 45.0
SHOWN_UNITS: Final = 12


async def show(running: Running, scenario: str) -> bool:
    ledger = running.directory / "ledger.sqlite"
    broker = ("--port", str(running.stack.mosquitto.port), "--username", "simulator")
    password = ("--password-file", str(running.stack.password_file("simulator")))
    watcher = asyncio.create_task(_watch(running), name="demo.watch")
    try:
        what = (*running.fleet, "--scenario", scenario, "--ledger", str(ledger))
        await simulate(running, "publish", *what, *broker, *password)
        log = running.directory / "service.log"
        await simulate(running, "exchanges", str(running.directory / "registry"), "--ledger", str(ledger), shown=False)
        _, difference = await import_registry(running)
        number = len(difference.added)
        running.say(words(f"operators declare {number} exchanged meters, some of them late", f"运维人员补登 {number} 次换表"))
        await until(lambda: _is_settled(running), SETTLED_SECONDS, "not everything was settled in time", log)
    finally:
        watcher.cancel()
    flagged = await _show_flagged(running)
    alerts_agree = await _show_alerts(running, flagged)
    running.say("")
    return await _compare(running, ledger) and alerts_agree


async def _compare(running: Running, ledger: Path) -> bool:
    """Database and counters against the ledger; the last line says it all."""
    compared = ("verify", "--ledger", str(ledger), "--database-url", running.reader_url, "--json")
    _, lines = await simulate(running, *compared, shown=False, check=False)
    figures = json.loads(lines[-1])
    counts = await counters(running)
    for problem in figures["problems"]:
        running.say(f"  {problem}")
    balanced = counts["received"] == counts["stored"] + counts["duplicate"] + counts["rejected"] + counts["in_flight"]
    agrees = (
        bool(figures["agrees"])
        and balanced
        and counts["received"] == figures["published"] + figures["repeated"] + counts["canaries"]
    )
    running.say(words(_DELIVERIES, _DELIVERIES_ZH).format(**counts))
    running.say(words(_COMPARED, _COMPARED_ZH).format(verdict=_verdict(agrees), **figures))
    return agrees


_DELIVERIES: Final = (
    "deliveries ({canaries:.0f} of the service's own): {received:,.0f} = {stored:,.0f} stored + {duplicate:,.0f} duplicate"
    " + {rejected:,.0f} rejected + {in_flight:,.0f} in flight"
)
_DELIVERIES_ZH: Final = (
    "投递(其中自检 {canaries:.0f} 条): {received:,.0f} = 入库 {stored:,.0f} + 重复 {duplicate:,.0f}"
    " + 拒收 {rejected:,.0f} + 在途 {in_flight:,.0f}"
)
_COMPARED: Final = (
    "{verdict}: {published:,} distinct messages = {stored:,} stored + {rejected:,} rejected ({quarantined:,} in quarantine), "
    "{repeated:,} repeats; readings {readings_expected:,} sent, {readings_found:,} found; consumption differs by "
    "{largest_difference_display_steps} display steps at most; flags {flags_expected} expected, {flags_raised} raised; "
    "charging sessions {sessions_expected:,} stated, {sessions_found:,} derived"
)
_COMPARED_ZH: Final = (
    "{verdict}: 不同消息 {published:,} = 入库 {stored:,} + 拒收 {rejected:,} (隔离区 {quarantined:,}), 重复发布 {repeated:,}; "
    "读数 发送 {readings_expected:,}, 入库 {readings_found:,}; 用量差最大 {largest_difference_display_steps} 个显示步长; "
    "超额标记 应有 {flags_expected}, 实有 {flags_raised}; 充电会话 申报 {sessions_expected:,}, 生成 {sessions_found:,}"
)


def _verdict(agrees: bool) -> str:
    return words("LEDGER AND DATABASE AGREE", "账本与数据库一致") if agrees else words("THEY DISAGREE", "账本与数据库不一致")


async def _watch(running: Running) -> None:
    """One line every few seconds while the month flows in."""
    while True:
        await asyncio.sleep(3)
        with contextlib.suppress(aiohttp.ClientError, OSError):
            counts = await counters(running)
            running.say(words(
                f"  … messages received {counts['received']:,.0f}, readings stored {counts['readings_stored']:,.0f}, "
                f"channel-hours waiting to be settled {counts['marks']:,.0f}",
                f"  … 已接收消息 {counts['received']:,.0f}, 已存读数 {counts['readings_stored']:,.0f}, "
                f"待结算通道小时 {counts['marks']:,.0f}",
            ))  # fmt: skip


async def _show_flagged(running: Running) -> list[tuple[Any, ...]]:
    """The institutions over the constraint in the closed month, highest first."""
    flagged = await rows(
        running.reader_url,
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
        if alert["state"] == "firing" and alert["labels"]["severity"] != "none":  # the watchdog always fires
            by_name[alert["labels"]["alertname"]] = by_name.get(alert["labels"]["alertname"], 0) + 1
    running.say("")
    running.say(words("alerts firing, as Prometheus reports them:", "Prometheus 报告的告警:"))
    for name, number in sorted(by_name.items()):
        running.say(f"  {name} x {number}")
    if "MeterwardenInstitutionSilent" in by_name:
        running.say(words(
            "  (what flowed in is last month's: by now every meter is silent)", "  (所发布的是上月数据, 因此目前全部表计均无读数)",
        ))  # fmt: skip
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


async def _is_settled(running: Running) -> bool:
    """Nothing waits at the broker, in intake or for settlement."""
    counts = await counters(running)
    if counts["in_flight"] or counts["received"] == 0:
        return False
    waiting = (
        await rows(
            running.stack.postgres.url("meterwarden"),
            "SELECT EXISTS (SELECT FROM metering.mark UNION ALL SELECT FROM metering.charging_due)",
        )
    )[0][0]
    return not waiting and counts["received"] == (await counters(running))["received"]
