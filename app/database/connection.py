"""The database as the rest of the service sees it: sessions to read, sessions to write, and a queue of writes."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Final, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.core.exceptions import StorageUnavailable
from app.database.address import is_sqlite, parse, sqlite_file
from app.database.engines import postgres_pool, sqlite_readers, sqlite_writer
from app.database.failures import storage_failures
from app.database.sqlite_rows import SqliteRows
from app.database.write_queue import DirectCommit, GroupCommit, ReadSession, Unit, WriteQueue, WriteSession

PROBE_DEADLINE_S: Final = 1.0
PROBE_KEPT_S: Final = 1.0

__all__ = ["Database", "ReadSession", "Unit", "WriteQueue", "WriteSession"]


class Database:
    """SQLite or PostgreSQL, by its address. Nothing is opened before the first use."""

    writes: WriteQueue

    def __init__(self, url: str) -> None:
        """
        Make the engines.

        Parameters
        ----------
        url
            `sqlite+aiosqlite:///FILE` or `postgresql+asyncpg://USER:PASSWORD@HOST/NAME`. The SQLite file must
            exist when it is used first: migrations make it.

        Raises
        ------
        ValueError
            For any other address.
        """
        address = parse(url)
        self.dialect: Final[Literal["sqlite", "postgresql"]] = "sqlite" if is_sqlite(address) else "postgresql"
        self.file: Final = sqlite_file(address) if self.dialect == "sqlite" else None
        self._rows: SqliteRows | None = None
        self._turn = asyncio.Lock()
        self._write_turn: AbstractAsyncContextManager[object] = nullcontext()
        self._closed = False
        self._probe_turn = asyncio.Lock()
        self._probed_at_s = float("-inf")
        if self.file is not None:
            self._write_turn = self._turn
            self._rows = SqliteRows(self.file)
            self._writer = sqlite_writer(address)
            self._readers = sqlite_readers(address)
            self.writes = GroupCommit(self._writer, self._rows, self._turn)
        else:
            self._writer = postgres_pool(address)
            # One snapshot for all that a reader asks, as SQLite gives it.
            self._readers = self._writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            self.writes = DirectCommit(self._writer)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadSession]:
        """
        Give a session that sees one snapshot and cannot write.

        Raises
        ------
        StorageUnavailable
            When the database cannot be reached, now or while the session is in use.
        """
        async with self._session(self._readers) as session:
            yield ReadSession(session)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[WriteSession]:
        """
        Give a session whose transaction is committed at the end, or rolled back by an exception.

        It is for work that should not share a transaction, such as erasing; everything else goes through `writes`.

        Raises
        ------
        StorageUnavailable
            When the database cannot be reached or written.
        """
        async with self._write_turn, self._session(self._writer) as session:
            yield WriteSession(ReadSession(session))

    async def ping(self) -> None:
        """
        Make sure that the database can be written; an answer holds for a second.

        Raises
        ------
        StorageUnavailable
            When it cannot, or does not say so within a second.
        """
        async with self._probe_turn:
            if time.monotonic() - self._probed_at_s < PROBE_KEPT_S:
                return
            if self._closed:
                raise StorageUnavailable
            with storage_failures():
                async with asyncio.timeout(PROBE_DEADLINE_S):
                    await self._probe()
            self._probed_at_s = time.monotonic()

    async def reclaim(self) -> None:
        """
        Give back what a large deletion freed; PostgreSQL sees to it itself.

        Raises
        ------
        StorageUnavailable
            When the database cannot be written.
        """
        if self._rows is not None:
            with storage_failures():
                async with self._turn:
                    await self._rows.reclaim()

    async def close(self) -> None:
        """Finish the writes that wait, then close every connection. Closing twice does nothing."""
        if self._closed:
            return
        self._closed = True
        await self.writes.close()
        await self._readers.dispose()
        await self._writer.dispose()
        if self._rows is not None:
            await self._rows.close()

    @asynccontextmanager
    async def _session(self, engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
        if self._closed:
            raise StorageUnavailable
        with storage_failures():
            async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
                yield session

    async def _probe(self) -> None:
        if self._rows is not None:
            async with self._turn:
                await self._rows.probe()
            return
        async with self._writer.connect() as connection:
            read_only = await connection.scalar(text("SELECT current_setting('transaction_read_only')"))
        if read_only != "off":
            raise StorageUnavailable
