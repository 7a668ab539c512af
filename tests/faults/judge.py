"""The ledger against the database: published = stored + duplicate + rejected, over distinct messages and readings."""

from collections import defaultdict
from dataclasses import dataclass, fields

from tests.databases import Database
from tests.faults.stream import UNKNOWN, Key, Ledger
from tests.published import RECENT
from tests.running import eventually
from tests.settling import derived_equals_rebuild

Found = dict[Key, set[int]]


@dataclass(frozen=True, slots=True)
class Account:
    """What one scenario came to. `lost` and `doubled` are readings and rejected messages that are missing, or there and not due."""

    published: int
    distinct: int
    readings: int
    stored: int
    disputed: int
    rejected: int
    lost: int
    doubled: int

    @property
    def is_balanced(self) -> bool:
        """Every distinct reading and every rejected message is there, once, and nothing else."""
        return self.lost == 0 == self.doubled


ACCOUNT_COLUMNS = tuple(one.name for one in fields(Account))


async def judged(database: Database, ledger: Ledger, *, seconds: float = 180, rebuilt: bool = True) -> Account:
    """Wait until the database holds what the ledger says, then hold every row against it. AssertionError where they differ.

    `rebuilt` also settles everything, and compares the derived rows with those of a rebuild (no settler may run meanwhile).
    """

    async def complete() -> Account | None:
        if await _counted(database) < (sum(map(len, ledger.values.values())), len(ledger.rejected)):
            return None
        account = await account_of(database, ledger)
        return account if account.is_balanced else None  # what was replayed is in quarantine for a moment longer

    try:
        account = await eventually(complete, "all is stored", seconds)
    except AssertionError:
        account = await account_of(database, ledger)
    __tracebackhide__ = True  # the ledger is long
    assert account.is_balanced, f"{account}; {await _first_differences(database, ledger)}"
    if rebuilt:
        await derived_equals_rebuild(database)
    return account


async def account_of(database: Database, ledger: Ledger) -> Account:
    """The account as of now."""
    stored, conflicts = await _readings(database), await _conflicts(database)
    there: dict[Key, set[int]] = defaultdict(set)
    rows = 0
    for key, value in [*stored, *conflicts]:
        there[key].add(value)
        rows += 1
    quarantined = await _quarantined(database)
    due = {(key, value) for key, values in ledger.values.items() for value in values}
    found = {(key, value) for key, values in there.items() for value in values}
    missing = len(due - found) + len(ledger.rejected - set(quarantined))
    surplus = (
        len(found - due) + (rows - len(found)) + len(set(quarantined) - ledger.rejected) + len(quarantined) - len(set(quarantined))
    )
    return Account(
        ledger.published,
        len(ledger.messages),
        len(due),
        len(stored),
        len(conflicts),
        len(quarantined),
        missing,
        surplus,
    )


async def _counted(database: Database) -> tuple[int, int]:
    """Rows there, cheaply: values of readings, messages in quarantine."""
    (found,) = await database.rows(
        """SELECT (SELECT count(*) FROM metering.reading) + (SELECT count(*) FROM metering.conflict),
                  (SELECT count(*) FROM metering.quarantine)"""
    )
    return found


async def _readings(database: Database) -> list[tuple[Key, int]]:
    return await _values(database, "metering.reading")


async def _conflicts(database: Database) -> list[tuple[Key, int]]:
    return await _values(database, "metering.conflict")


async def _values(database: Database, table: str) -> list[tuple[Key, int]]:
    rows = await database.rows(
        f"""SELECT meter.code, channel.register, extract(epoch FROM found.read_at - %s)::int, found.value
            FROM {table} AS found JOIN metering.channel USING (channel) JOIN metering.meter USING (meter)""",
        RECENT,
    )
    return [(Key(*key), value) for *key, value in rows]


async def _quarantined(database: Database) -> list[bytes]:
    return [bytes(key) for (key,) in await database.rows("SELECT key FROM metering.quarantine WHERE resolved_at IS NULL")]


async def _first_differences(database: Database, ledger: Ledger) -> str:
    found = {*await _readings(database), *await _conflicts(database)}
    due = {(key, value) for key, values in ledger.values.items() for value in values}
    quarantined = set(await _quarantined(database))
    lost, extra = sorted(due - found)[:5], sorted(found - due)[:5]
    return (
        f"lost {lost}, not due {extra}, "
        f"not in quarantine {len(ledger.rejected - quarantined)}, there without need {len(quarantined - ledger.rejected)} "
        f"(unknown meter: {UNKNOWN})"
    )
