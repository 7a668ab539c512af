"""A time as a file gives it -> the instant, in UTC: without an offset only in a named zone, and only where it means one."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

Stamp = Callable[[object], datetime]


def stamps(zone: ZoneInfo | None, time_format: str | None) -> Stamp:
    """How to read a time: ISO 8601, or `time_format` as strptime takes it; raises ValueError with what to do."""

    def stamp(cell: object) -> datetime:
        at = _parsed(cell, time_format)
        return at.astimezone(UTC) if at.tzinfo else _in_zone(at, zone)

    return stamp


def _parsed(cell: object, time_format: str | None) -> datetime:
    match cell:
        case datetime():
            return cell
        case date():
            return datetime.combine(cell, time())
        case str() if time_format:
            return _by_format(cell.strip(), time_format)
        case str():
            return _iso(cell.strip())
    raise ValueError(f"{cell!r} is no time; name the right column with --time-column")


def _by_format(text: str, time_format: str) -> datetime:
    try:
        return datetime.strptime(text, time_format)  # noqa: DTZ007 the zone follows
    except ValueError as error:
        raise ValueError(f"{text!r} is no time as {time_format!r}; correct --time-format") from error


def _iso(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        example = "--time-format, such as '%d/%m/%Y %H:%M'"
        raise ValueError(f"{text!r} is no time as ISO 8601 writes it; say how it is written with {example}") from error


def _in_zone(naive: datetime, zone: ZoneInfo | None) -> datetime:
    if zone is None:
        raise ValueError(f"{naive} has no offset; say which zone's time it is with --timezone, such as Europe/Helsinki")
    first, second = (naive.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    before, after = first.utcoffset(), second.utcoffset()
    assert before is not None
    assert after is not None
    if before > after:
        raise ValueError(f"{naive} came twice in {zone.key} (the clocks went back); write it with its offset")
    if before < after:
        raise ValueError(f"{naive} never came in {zone.key} (the clocks went forward); is it another zone's time, or UTC?")
    return first.astimezone(UTC)
