"""The one way to write: an answer waits here until its COMMIT has returned.

SQLite has one writer, so what arrives while a transaction is on its way to the disk shares the next one (group
commit), and sixty-four answers cost one flush. PostgreSQL takes a transaction for each.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, NewType, Protocol, TypeVar

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from app.core.exceptions import Overloaded, StorageUnavailable
from app.database.failures import is_outage, log_outage, storage_failures
from app.database.sqlite_rows import SqliteInsert, SqliteRows
from app.database.stopwatch import stop_watches

BATCH_LIMIT: Final = 64
WAITING_LIMIT: Final = 1_024

ReadSession = NewType("ReadSession", AsyncSession)
WriteSession = NewType("WriteSession", ReadSession)

T = TypeVar("T")
Unit = Callable[[WriteSession], Awaitable[T]]
"""Work that succeeds or fails as one. It speaks SQL and nothing else: the processor's work comes before it."""

_ROLLED_BACK: Final = frozenset({"40001", "40P01"})
"""Serialization failure and deadlock: the server undid everything and asks to try again."""


class WriteQueue(Protocol):
    """What both databases offer."""

    async def run(self, unit: Unit[T], *, idempotent: bool = False) -> T:
        """
        Run the unit in a transaction and return its result after the COMMIT.

        Parameters
        ----------
        unit
            Must be ready to run again when the first attempt was undone.
        idempotent
            The unit may run again even when nobody knows whether the first attempt was committed.

        Raises
        ------
        StorageUnavailable
            The database cannot be reached or written; nothing of the unit is promised.
        Overloaded
            Too many are waiting already.
        Exception
            Whatever the unit raised; nothing of it was written.
        """

    async def insert(self, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
        """Insert rows that name the same columns, in the table's order; return after the COMMIT."""

    async def close(self) -> None:
        """Finish what is waiting, take nothing more."""


@dataclass(kw_only=True, slots=True, eq=False)
class _Waiting(Generic[T]):
    work: Unit[T] | SqliteInsert
    outcome: asyncio.Future[T] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def settle(self, result: T, error: Exception | None) -> None:
        if error is not None:
            self.fail(error)
        elif not self.outcome.done():  # a caller who went away takes no answer
            self.outcome.set_result(result)

    def fail(self, error: BaseException) -> None:
        if self.outcome.done():
            return
        if is_outage(error) or not isinstance(error, Exception):
            unavailable = StorageUnavailable()
            unavailable.__cause__ = error
            error = unavailable
        self.outcome.set_exception(error)


class GroupCommit:
    """SQLite: one transaction for all that wait, a savepoint for each."""

    def __init__(self, writer: AsyncEngine, rows: SqliteRows, turn: asyncio.Lock) -> None:
        self._writer = writer
        self._rows = rows
        self._turn = turn
        self._queue: deque[_Waiting[Any]] = deque()
        self._draining: asyncio.Task[None] | None = None
        self._closed = False

    async def run(self, unit: Unit[T], *, idempotent: bool = False) -> T:  # noqa: ARG002 - SQLite never repeats one
        """Run the unit within the next transaction."""
        return await self._submit(_Waiting(work=unit))

    async def insert(self, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
        """Insert within the next transaction."""
        if rows:
            waiting: _Waiting[None] = _Waiting(work=SqliteInsert.of(table, rows))
            await self._submit(waiting)

    async def close(self) -> None:
        """Finish what is waiting, take nothing more."""
        self._closed = True
        if self._draining is not None:
            await asyncio.wait([self._draining])

    async def _submit(self, waiting: _Waiting[T]) -> T:
        if self._closed:
            raise StorageUnavailable
        if len(self._queue) >= WAITING_LIMIT:
            raise Overloaded
        self._queue.append(waiting)
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain(), name="group-commit")
        try:
            return await waiting.outcome
        finally:
            del waiting  # an error that it holds is raised from this frame: a ring that keeps all frames above

    async def _drain(self) -> None:
        try:
            while self._queue:
                await self._commit(self._next_batch())
        finally:
            self._draining = None
            while self._queue:  # reached with work left only when the loop is being torn down
                self._queue.popleft().fail(asyncio.CancelledError())

    def _next_batch(self) -> list[_Waiting[Any]]:
        batch: list[_Waiting[Any]] = []
        while self._queue and len(batch) < BATCH_LIMIT:
            waiting = self._queue.popleft()
            if not waiting.outcome.cancelled():
                batch.append(waiting)
        return batch

    async def _commit(self, batch: list[_Waiting[Any]]) -> None:
        if not batch:  # all who waited went away
            return
        try:
            async with self._turn:
                await self._commit_inserts([(one, one.work) for one in batch if isinstance(one.work, SqliteInsert)])
                await self._commit_units([(one, one.work) for one in batch if not isinstance(one.work, SqliteInsert)])
        except BaseException as error:
            if is_outage(error):
                log_outage(error)
            for waiting in batch:
                waiting.fail(error)
            if not isinstance(error, Exception):
                raise

    async def _commit_inserts(self, batch: list[tuple[_Waiting[Any], SqliteInsert]]) -> None:
        if not batch:
            return
        refusals = await self._rows.commit([insert for _, insert in batch])
        for (waiting, _), refusal in zip(batch, refusals, strict=True):
            waiting.settle(None, refusal)

    async def _commit_units(self, batch: list[tuple[_Waiting[Any], Unit[Any]]]) -> None:
        if not batch:
            return
        async with self._writer.begin() as connection:
            results = [await _attempt(connection, unit) for _, unit in batch]
        for (waiting, _), (value, error) in zip(batch, results, strict=True):
            waiting.settle(value, error)


async def _attempt(connection: AsyncConnection, unit: Unit[T]) -> tuple[T | None, Exception | None]:
    """Run a unit in a savepoint and a session of its own; return its result, or what it raised."""
    session = AsyncSession(connection, join_transaction_mode="create_savepoint", expire_on_commit=False)
    try:
        async with session, session.begin():
            return await unit(WriteSession(ReadSession(session))), None
    except Exception as error:
        # A full disk may have undone the whole transaction: nobody in it may be told otherwise.
        if is_outage(error):
            raise
        return None, error


class DirectCommit:
    """PostgreSQL: a transaction for each unit, from the pool."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._closed = False

    async def run(self, unit: Unit[T], *, idempotent: bool = False) -> T:
        """Run the unit in a transaction; once more where that is safe."""
        if self._closed:
            raise StorageUnavailable
        with storage_failures():
            try:
                return await self._once(unit)
            except DBAPIError as error:
                if not _was_undone(error) and not (idempotent and error.connection_invalidated):
                    raise
            return await self._once(unit)

    async def insert(self, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
        """Insert in a transaction."""

        async def unit(session: WriteSession) -> None:
            await session.execute(table.insert(), [stop_watches(row) for row in rows])

        if rows:
            await self.run(unit)

    async def close(self) -> None:
        """Take nothing more; what runs keeps its connection until it is done."""
        self._closed = True

    async def _once(self, unit: Unit[T]) -> T:
        async with AsyncSession(self._engine, expire_on_commit=False) as session, session.begin():
            return await unit(WriteSession(ReadSession(session)))


def _was_undone(error: DBAPIError) -> bool:
    """Tell a failure after which nothing of the transaction can have stayed."""
    if isinstance(error.orig, AsyncAdapt_asyncpg_dbapi.InvalidCachedStatementError):  # a migration passed by
        return True
    return getattr(error.orig, "sqlstate", None) in _ROLLED_BACK
