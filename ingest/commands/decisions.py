"""What `meterwarden edit` and `meterwarden exchange` share: paths, instants, values, author and reason, the database's faults."""

import asyncio
import getpass
import json
import re
import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

import click

from ingest.commands.given import settings_given
from ingest.commands.quarantine.escaped import escaped
from ingest.errors import Unavailable
from ingest.metering.calendar import FIRST_DAY
from ingest.storage.connection import Connection, connected
from ingest.storage.decisions import Grounds, Undecidable
from ingest.words import both, words
from schemas.reading import RFC3339
from schemas.registers import REGISTERS, Kind, Medium

T = TypeVar("T")
CUMULATIVE: Final = tuple(register.name for register in REGISTERS.values() if register.kind is Kind.CUMULATIVE)


def meter_given(_context: click.Context, _argument: click.Parameter, text: str) -> str:
    """INSTITUTION/MEDIUM/METER."""
    return _path(text, "INSTITUTION/MEDIUM/METER", "XN-0001/electricity/EM-01")


def register_given(_context: click.Context, _argument: click.Parameter, text: str) -> str:
    """INSTITUTION/MEDIUM/METER/REGISTER."""
    path = _path(text, "INSTITUTION/MEDIUM/METER/REGISTER", "XN-0001/electricity/EM-01/energy_import_kwh")
    if path.rpartition("/")[2] not in CUMULATIVE:
        registers = ", ".join(CUMULATIVE)
        raise click.BadParameter(words(f"{text!r} names no register: use one of {registers}", f"{text!r}: 寄存器应为 {registers}"))
    return path


def _path(text: str, form: str, example: str) -> str:
    parts = text.split("/")
    if len(parts) != form.count("/") + 1 or parts[1] not in set(Medium) or not all(parts):
        raise click.BadParameter(words(f"{text!r}: write it as {form}, such as {example}", f"{text!r}: 应写作 {form},如 {example}"))
    return text


def instant_given(_context: click.Context, _argument: click.Parameter, text: str) -> datetime:
    """RFC 3339 with an offset, not in the future."""
    try:
        if not re.fullmatch(RFC3339, text):
            raise ValueError("not RFC 3339")
        at = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            words(f"{text!r}: write the time with its offset, such as 2026-10-01T08:00:00+08:00",
                  f"{text!r}: 时间须带偏移,如 2026-10-01T08:00:00+08:00")
        ) from error  # fmt: skip
    if at > datetime.now(UTC) or at.toordinal() <= FIRST_DAY:
        raise click.BadParameter(
            words(f"{text} lies in the future or before 2000: decide when it has happened", f"{text} 在未来或早于 2000 年")
        )
    return at


def number_given(_context: click.Context, _argument: click.Parameter, text: str) -> Decimal:
    """A decimal, exactly as written."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise click.BadParameter(words(f"{text!r} is no number: write it such as 1234.56", f"{text!r} 不是数字,应如 1234.56"))
    return number


def _told(text: str) -> str:
    """As the database can take it."""
    return text.replace("\0", "").encode(errors="backslashreplace").decode().strip()


def _user() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):  # a container's user may have no name
        return f"?@{socket.gethostname()}"


def with_grounds(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command --author and --because; it takes them as `**given` and makes grounds of them by `grounds_of`."""
    because = click.option("--because", required=True, help=both("why; stays on record", "原因,留存记录"))
    author = click.option("--author", default=_user, help=both("who; default: user@host", "操作人,默认 用户@主机"))
    return author(because(command))


def grounds_of(author: str, because: str) -> Grounds:
    """Who and why; empty texts end the command."""
    grounds = Grounds(_told(author), _told(because))
    if not all(grounds):
        raise click.UsageError(words("--author and --because must not be empty", "--author 和 --because 不能为空"))
    return grounds


def within_of(path: str) -> str:
    """The beginning of a path that a listing is narrowed to."""
    if path.count("/") > 3 or any(not part for part in path.split("/") if path):
        raise click.BadParameter(
            words(f"{path!r}: write INSTITUTION[/MEDIUM[/METER[/REGISTER]]]", f"{path!r}: 应写作 机构[/介质[/表计]]")
        )
    return path


def decided(work: Callable[[Connection], Awaitable[T]]) -> T:
    """What comes of work on the database; what it cannot do ends the command and says what to do."""
    try:
        return asyncio.run(_connected(work))
    except Undecidable as fault:
        raise click.ClickException(words(fault.english, fault.chinese)) from fault
    except Unavailable as error:
        check = words("Check METERWARDEN_DATABASE__URL, and that `meterwarden migrate` has run. Nothing was changed.",
                      "请检查 METERWARDEN_DATABASE__URL,并确认已执行 `meterwarden migrate`。未做任何更改。")  # fmt: skip
        raise click.ClickException(f"{error}\n{check}") from error


async def _connected(work: Callable[[Connection], Awaitable[T]]) -> T:
    async with connected(settings_given().database) as connection:
        return await work(connection)


def as_json(record: dict[str, Any]) -> str:
    """One line of ASCII; instants in RFC 3339, values as texts, since a JSON number may lose digits."""
    return json.dumps(record, default=lambda one: one.isoformat() if isinstance(one, datetime) else f"{one:f}")


def shown_at(at: datetime | None) -> str:
    """An instant in the zone of the machine."""
    return "" if at is None else at.astimezone().isoformat(sep=" ")


def shown(text: str | None) -> str:
    """Foreign text as any terminal can take it."""
    return escaped(text or "")
