"""An institution with a small fleet, and the account of every scenario, shown at the end of the run."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.accounts import keep_account, keep_note
from tests.databases import Database
from tests.faults.judge import Account, judged
from tests.faults.stream import ELECTRICITY, WATER, Stream
from tests.published import institution_code
from tests.registries import import_files, institution, meter, write_files

Judge = Callable[..., Awaitable[Account]]
Note = Callable[[str], None]


async def register_fleet(database: Database, directory: Path, **denominators: float) -> str:
    """Register the fleet of `tests.faults.stream`; returns the code of its institution, which has these denominators."""
    code = institution_code()
    meters = [meter(one, code, "water" if one in WATER else "electricity", register_digits=7) for one in (*ELECTRICITY, *WATER)]
    await import_files(database, write_files(directory / "registry", [institution(code, **denominators)], meters))
    return code


@pytest.fixture
async def stream(database: Database, tmp_path: Path, seed: int) -> Stream:
    """The fleet's messages, with their ledger; the fleet is registered in the test's database."""
    return Stream(await register_fleet(database, tmp_path), seed)


@pytest.fixture
def judge(request: pytest.FixtureRequest) -> Judge:
    """Hold a database against a stream's ledger, and show the account at the end of the run."""

    async def and_note(database: Database, stream: Stream, **options: Any) -> Account:
        account = await judged(database, stream.ledger, **options)
        keep_account(request.node, account)
        return account

    return and_note


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Note:
    """Say something measured at the end of the run, below the accounts."""
    return lambda text: keep_note(request.node, text)
