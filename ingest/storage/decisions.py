"""What operators decide: edits of readings and declared exchanges, each a new version together with the marks that settle it again.

Two operators at once get versions 1 and 2: edits queue behind a lock of their channel, exchanges behind that of the registry, which
the registry import holds too.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from ingest.metering.registers import INTEGER_LIMIT
from ingest.storage.connection import Connection
from ingest.storage.queries import QUERIES

EDIT_LOCK: Final = 5_170_008
"""First key of the advisory locks of edits; the second is the channel."""


class Undecidable(Exception):  # noqa: N818 - says what is at fault with what an operator asked for
    """An operator's decision that cannot be taken; the text says what to do, in English and Chinese."""

    def __init__(self, english: str, chinese: str) -> None:
        """Both texts."""
        super().__init__(english)
        self.english, self.chinese = english, chinese


class Register(NamedTuple):
    """A register as a decision needs it; `digits` is None where it never rolls over."""

    channel: int
    name: str
    unit: str
    decimals: int
    digits: int | None


class Seen(NamedTuple):
    """A value seen under a key, in the register's unit, and when it was received."""

    value: Decimal
    received_at: datetime


class Key(NamedTuple):
    """A disputed or edited key: all values seen, and the newest decision (version None: none yet)."""

    path: str
    read_at: datetime
    unit: str
    seen: list[Seen]
    version: int | None
    value: Decimal | None
    author: str | None
    because: str | None
    recorded_at: datetime | None


class Declared(NamedTuple):
    """A declaration of an exchange; without values it was withdrawn."""

    path: str
    exchanged_at: datetime
    unit: str
    version: int
    old_final: Decimal | None
    new_initial: Decimal | None
    author: str
    because: str
    recorded_at: datetime
    newest: bool


class Grounds(NamedTuple):
    """Who decides, and why."""

    author: str
    because: str


async def registers(connection: Connection, meter: str, at: datetime) -> list[Register]:
    """The cumulative registers of institution/medium/meter as registered at an instant. Raises Undecidable where there is none."""
    institution, medium, code = meter.split("/")
    cursor = await connection.execute(
        QUERIES["registers_of_meter"], {"institution": institution, "medium": medium, "meter": code, "at": at}
    )
    found = [Register(*row) for row in await cursor.fetchall()]
    if not found:
        raise Undecidable(
            f"{meter} is not registered at {at.isoformat()}: correct the path, or add the meter to meters.csv and run "
            "`meterwarden registry import DIRECTORY`",
            f"{meter} 在 {at.isoformat()} 未登记:请检查路径,或在 meters.csv 中补登后执行 `meterwarden registry import 目录`",
        )
    return found


async def register(connection: Connection, meter: str, name: str | None, at: datetime) -> Register:
    """The register of that name; without one, the only one the meter has."""
    found = await registers(connection, meter, at)
    named = [one for one in found if name in (None, one.name)]
    if len(named) != 1:
        names = ", ".join(one.name for one in found)
        raise Undecidable(f"{meter} has the registers {names}: name one of them", f"{meter} 的寄存器有 {names}:请指明其中一个")
    return named[0]


def integer(value: Decimal, of: Register) -> int:
    """A value in the register's unit as its integer. Raises Undecidable where the register cannot show it."""
    scaled = value.scaleb(of.decimals) if value.is_finite() else Decimal(-1)
    most = Decimal(INTEGER_LIMIT if of.digits is None else min(10 ** (of.digits + of.decimals), INTEGER_LIMIT))
    if not 0 <= scaled < most:
        limit = most.scaleb(-of.decimals)
        raise Undecidable(
            f"{value} is nothing {of.name} can show: give {of.unit} from 0 up to, not including, {limit:f}",
            f"{of.name} 不可能显示 {value}:请给出 0 至 {limit:f}(不含)之间的 {of.unit} 值",
        )
    if scaled != scaled.to_integral_value():
        raise Undecidable(
            f"{value} is finer than {of.name}, which is kept in {Decimal(1).scaleb(-of.decimals):f} {of.unit}: round it yourself",
            f"{value} 比 {of.name} 的分辨率 {Decimal(1).scaleb(-of.decimals):f} {of.unit} 更细:请自行取整",
        )
    return int(scaled)


async def edit(connection: Connection, of: Register, read_at: datetime, value: Decimal | None, grounds: Grounds) -> int:
    """Decide what counts at an instant (None: nothing) and mark it; commits, returns the version. Raises Undecidable."""
    await _refuse_before_kept(connection, of, read_at)
    wanted = None if value is None else integer(value, of)
    await connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", [EDIT_LOCK, of.channel])
    # in a statement of its own: the one that waited for the lock still sees what was there before it waited
    cursor = await connection.execute(
        QUERIES["insert_edit"], {"channel": of.channel, "read_at": read_at, "value": wanted, **grounds._asdict()}
    )
    version = int((await cursor.fetchall())[0][0])
    await connection.execute(QUERIES["mark_instants"], {"channel": of.channel, "instants": [read_at]})
    await connection.commit()
    return version


async def exchange(
    connection: Connection, of: Register, at: datetime, registers: tuple[Decimal, Decimal] | None, grounds: Grounds
) -> int:
    """Declare an exchange (old final, new initial), or withdraw it (None), and mark it; commits, returns the version.

    Marked is everything from the exchange on: where the reading that follows lies days later, only it shows that one is gone.
    """
    await _refuse_before_kept(connection, of, at)
    finals = (None, None) if registers is None else (integer(registers[0], of), integer(registers[1], of))
    await connection.execute("LOCK TABLE metering.registry_version IN EXCLUSIVE MODE")
    if registers is None and not await _is_declared(connection, of, at):
        raise Undecidable(
            f"no exchange of {of.name} is declared at {at.isoformat()}: `meterwarden exchange list` shows those there are",
            f"{of.name} 在 {at.isoformat()} 没有已声明的换表:用 `meterwarden exchange list` 查看现有声明",
        )
    parameters = {"channel": of.channel, "at": at, "old_final": finals[0], "new_initial": finals[1], **grounds._asdict()}
    cursor = await connection.execute(QUERIES["insert_exchange"], parameters)
    version = int((await cursor.fetchall())[0][0])
    last = await (await connection.execute(QUERIES["last_reading"], {"channel": of.channel})).fetchall()
    instants = [at, *(read_at for (read_at,) in last if read_at is not None and read_at > at)]
    await connection.execute(QUERIES["mark_instants"], {"channel": of.channel, "instants": instants})
    await connection.commit()
    return version


async def keys(connection: Connection, within: str, *, undecided: bool) -> list[Key]:
    """Disputed keys, and unless `undecided` the edited ones too, of what a path's beginning names (empty: everything)."""
    cursor = await connection.execute(QUERIES["disputed_keys"], {"within": _parts(within), "undecided": undecided})
    return [
        Key(path, read_at, unit, [Seen(*one) for one in zip(values, times, strict=True)], *decision)
        for path, read_at, unit, values, times, *decision in await cursor.fetchall()
    ]


async def exchanges(connection: Connection, within: str, *, history: bool) -> list[Declared]:
    """Declared exchanges of what a path's beginning names; with `history` every version, withdrawn ones too."""
    cursor = await connection.execute(QUERIES["declared_exchanges"], {"within": _parts(within), "history": history})
    return [Declared(*row) for row in await cursor.fetchall()]


def _parts(within: str) -> list[str]:
    return within.split("/") if within else []


async def _is_declared(connection: Connection, of: Register, at: datetime) -> bool:
    rows: Iterable[Any] = await (await connection.execute(QUERIES["exchange_at"], {"channel": of.channel, "at": at})).fetchall()
    return any(old_final is not None for (old_final,) in rows)


async def _refuse_before_kept(connection: Connection, of: Register, at: datetime) -> None:
    """What lies before the first local day whose readings are all kept can no longer be derived again."""
    cursor = await connection.execute(QUERIES["decided_since"], {"channel": of.channel, "at": at})
    since = (await cursor.fetchall())[0][0]
    if since is not None and at < since:
        raise Undecidable(
            f"whole days of readings are kept since {since.isoformat()} only, and what was derived before stays: enter the "
            "correction as a reversal in a later period",
            f"整日读数仅保留自 {since.isoformat()} 起,此前的结算结果不再改写:请在之后的时段以冲销方式更正",
        )
