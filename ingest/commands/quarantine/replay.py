"""`meterwarden quarantine replay`: messages through intake once more, judged as on arrival."""

import json
from typing import Any

import click

from ingest.commands.given import settings_given
from ingest.commands.progress import Progress, json_option
from ingest.commands.quarantine.database import answered, by_reason
from ingest.commands.quarantine.options import filter_of, filtered, matches_of
from ingest.present import Present, assessor
from ingest.settings import Settings
from ingest.storage.quarantine.found import Found
from ingest.storage.quarantine.replay import Tally, replay
from ingest.storage.registry import load_registry
from ingest.storage.writer import Writer
from ingest.words import both, words


@click.command(
    "replay",
    help=both(
        "Decide again about messages that match, with today's registry and settings; their arrival stays what it was. What "
        "passes is stored and leaves the quarantine. METERWARDEN_INTAKE__ACCEPT_DAYS_BACK widens the accept window for this "
        "command alone.",
        "按当前登记与设置重新判定符合条件的消息,接收时间不变;通过的入库并移出隔离区。"
        "可用 METERWARDEN_INTAKE__ACCEPT_DAYS_BACK 仅为本命令放宽接收时限。",
    ),
)
@filtered
@json_option
def replay_messages(json_wanted: bool, **given: Any) -> None:
    """Replay messages that match; twice changes nothing."""
    settings = settings_given()
    matches = matches_of(settings, filter_of(given))
    tally = answered(_replay(settings, matches.open))
    tally.skipped += matches.resolved
    facts = {"resolved": tally.resolved, "still_rejected": dict(tally.still), "skipped": tally.skipped}
    click.echo(json.dumps(facts) if json_wanted else said(tally))


async def _replay(settings: Settings, found: Found) -> Tally:
    if not found:
        return Tally()
    progress = Progress(len(found), "replayed", "已重放")
    writer = Writer(settings.database)
    try:
        decide = assessor(Present(await load_registry(settings.database)), settings)
        return await replay(writer, decide, found, lambda tally: progress(len(tally)))
    finally:
        await writer.close()


def said(tally: Tally) -> str:
    """One line: how many are resolved, still rejected, skipped."""
    resolved = words(f"resolved: {tally.resolved:,}", f"已解决: {tally.resolved:,}")
    still = words(f"still rejected: {tally.still.total():,}", f"仍被拒绝: {tally.still.total():,}")
    reasons = f" ({by_reason(tally.still)})" if tally.still else ""
    skipped = words(
        f"skipped, resolved already or in another's hands: {tally.skipped:,}", f"跳过(已解决或正由其他进程处理): {tally.skipped:,}"
    )
    return "; ".join([resolved, still + reasons, *([skipped] if tally.skipped else [])])
