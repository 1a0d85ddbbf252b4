"""What was acknowledged outlives the process, and processes do not get into each other's way."""

import asyncio
import random
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest
from sqlalchemy import select

from app.database.connection import Database
from app.database.models import RequestHistory, Transaction, User
from app.database.repositories.history import HistoryRepository
from app.database.repositories.ledger import LedgerRepository
from tests.conftest import PROJECT_DIR
from tests.faults.invariants import unbalanced
from tests.integration.test_accounts import add_user
from tests.integration.test_history import make_entry

ROUNDS = 5


async def start(*arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.child", *arguments, stdout=PIPE, stderr=PIPE, cwd=PROJECT_DIR
    )


async def names(url: str) -> set[str]:
    database = Database(url)
    async with database.read() as session:
        found = (await session.scalars(select(RequestHistory.request_id))).all()
    await database.close()
    return {name for name in found if name}


@pytest.mark.slow
async def test_every_row_acknowledged_before_a_kill_is_there_after_it(database_url: str) -> None:
    moments = random.Random(0)
    acknowledged: set[str] = set()
    for number in range(ROUNDS):
        child = await start("acknowledge", database_url, f"round{number}")
        assert child.stdout is not None
        await child.stdout.readline()
        await asyncio.sleep(moments.uniform(0, 0.3))
        child.send_signal(signal.SIGKILL)
        printed, _ = await child.communicate()
        # The last line may be cut by the kill; the first was read above.
        acknowledged |= set(printed.decode().split("\n")[:-1])
    assert len(acknowledged) > ROUNDS
    assert acknowledged <= await names(database_url)


@pytest.mark.slow
async def test_balances_are_the_sums_of_what_was_promised_before_a_kill(database: Database, database_url: str) -> None:
    moments = random.Random(0)
    user = await add_user(database)
    promised: set[str] = set()
    for _ in range(ROUNDS):
        child = await start("book", database_url, str(user.id))
        assert child.stdout is not None
        await child.stdout.readline()
        await asyncio.sleep(moments.uniform(0, 0.3))
        child.send_signal(signal.SIGKILL)
        printed, _ = await child.communicate()
        promised |= set(printed.decode().split("\n")[:-1])
    async with database.read() as session:
        made = (await session.execute(select(Transaction.type, Transaction.reference))).all()
        entries = select(Transaction.id, Transaction.user_id, Transaction.type, Transaction.amount)
        ledger = (await session.execute(entries.add_columns(Transaction.balance_after).order_by(Transaction.id))).all()
        balances = (await session.execute(select(User.id, User.balance))).all()
    assert len(promised) > ROUNDS
    assert promised <= {f"{kind} {reference}" for kind, reference in made}
    assert await LedgerRepository(database).unbalanced() == []
    assert list(unbalanced([(*one,) for one in balances], [(*one,) for one in ledger])) == []


@pytest.mark.slow
async def test_the_file_is_whole_after_a_kill(sqlite_url: str, tmp_path: Path) -> None:
    child = await start("acknowledge", sqlite_url, "only")
    assert child.stdout is not None
    await child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    await child.communicate()
    with sqlite3.connect(tmp_path / "history.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


@pytest.mark.slow
async def test_four_processes_count_to_two_hundred_together(database_url: str) -> None:
    database = Database(database_url)
    history = HistoryRepository(database)
    await history.add([make_entry(input_bytes=0)])
    children = [await start("increment", database_url, "50") for _ in range(4)]
    complaints = [(await child.communicate())[1].decode() for child in children]
    assert complaints == ["", "", "", ""]
    assert (await history.page(limit=1)).records[0].input_bytes == 200
    await database.close()
