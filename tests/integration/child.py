"""What the tests run in processes of their own, to kill them or to have them compete.

python -m tests.integration.child TASK URL [ARGUMENT]
"""

import asyncio
import os
import signal
import sys
from functools import partial
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from app.database.connection import Database, Unit, WriteSession
from app.database.migrate import upgrade
from app.database.models import RequestHistory
from app.database.repositories.history import HistoryEntry, HistoryRepository
from app.database.repositories.ledger import Booking, LedgerRepository, TransactionRecord

WRITERS = 20
CHANGES = ("CREATE", "DROP", "ALTER", "INSERT", "UPDATE", "DELETE")


async def acknowledge(url: str, prefix: str) -> None:
    """Write for ever with twenty writers; print the name of each row once it is promised."""
    database = Database(url)
    history = HistoryRepository(database)

    async def write(writer: int) -> None:
        number = 0
        while True:
            number += 1
            name = f"{prefix}-{writer}-{number}"
            await history.add(
                [
                    HistoryEntry(
                        processing_time_ms=1.0,
                        success=True,
                        status_code=200,
                        request_type="single",
                        source="json",
                        request_id=name,
                    )
                ]
            )
            os.write(sys.stdout.fileno(), f"{name}\n".encode())

    await asyncio.gather(*(write(writer) for writer in range(WRITERS)))


async def increment(url: str, times: str) -> None:
    """Add one to a number, so many times, as fast as the other processes let it."""
    database = Database(url)

    async def add_one(session: WriteSession) -> None:
        record = await session.get_one(RequestHistory, 1, with_for_update=True)
        await asyncio.sleep(0)
        record.input_bytes = (record.input_bytes or 0) + 1

    for _ in range(int(times)):
        await database.writes.run(add_one)
    await database.close()


async def book(url: str, user_id: str) -> None:
    """Give, take and give back for ever with twenty writers; print each transaction once it is promised."""
    database = Database(url)
    ledger = LedgerRepository(database)

    async def promise(unit: Unit[TransactionRecord]) -> None:
        made = await database.writes.run(unit)
        os.write(sys.stdout.fileno(), f"{made.type} {made.reference}\n".encode())

    async def write(writer: int) -> None:
        number = 0
        while True:
            number += 1
            reference = f"{os.getpid()}-{writer}-{number}"
            booking = Booking(user_id=int(user_id), amount=number, created_by=None, reference=reference)
            await promise(partial(ledger.deposit, booking=booking))
            await promise(partial(ledger.charge, booking=booking))
            if number % 2:
                await promise(partial(ledger.refund, reference=reference, created_by=None))

    await asyncio.gather(*(write(writer) for writer in range(WRITERS)))


async def migrate(url: str, statements: str) -> None:
    """Bring the schema up to date, but be killed before the change after so many."""
    left = int(statements)

    @event.listens_for(Engine, "before_cursor_execute")
    def die(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        nonlocal left
        if statement.lstrip().upper().startswith(CHANGES):
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    @event.listens_for(Engine, "commit")
    def die_before_commit(_connection: Any) -> None:
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    await upgrade(url)


if __name__ == "__main__":
    task = {"acknowledge": acknowledge, "book": book, "increment": increment, "migrate": migrate}[sys.argv[1]]
    asyncio.run(task(sys.argv[2], sys.argv[3]))
