"""Plain inserts into SQLite, as fast as they can be made without giving up a promise.

A batch (BEGIN IMMEDIATE, INSERT, COMMIT) is one hop to one thread. The same statements through the async engine
are a hop and two greenlet switches each: four times the processor time for a single row.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, ParamSpec, Self, TypeVar

from sqlalchemy import Double, Table
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.exc import IntegrityError
from sqlalchemy.types import TypeEngine

from app.database.engines import SQLITE_BUSY_TIMEOUT_MS, file_identity, file_is_gone, open_sqlite
from app.database.failures import is_outage
from app.database.stopwatch import Stopwatch

P = ParamSpec("P")
R = TypeVar("R")
_Bind = Callable[[Any], Any]

RECLAIM_TIMEOUT_MS: Final = 500
_DIALECT: Final = sqlite_dialect()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SqliteInsert:
    """Rows of one table, ready for the driver, that stand or fall together."""

    statement: str
    parameters: Sequence[Sequence[Any]]

    @classmethod
    def of(cls, table: Table, rows: Sequence[Mapping[str, object]]) -> Self:
        """Translate rows that all name the same columns; a value the types refuse raises here, in its caller."""
        columns = tuple(rows[0])
        statement, binds = _insert_into(table, columns)
        return cls(
            statement=statement,
            parameters=[
                [
                    row[column] if bind is None else _bound(row[column], bind)
                    for column, bind in zip(columns, binds, strict=True)
                ]
                for row in rows
            ],
        )


def _bound(value: object, bind: _Bind) -> object:
    """Return a value as its column's type gives it to the driver, which asks a stopwatch itself."""
    return value if isinstance(value, Stopwatch) else bind(value)


@cache
def _insert_into(table: Table, columns: tuple[str, ...]) -> tuple[str, tuple[_Bind | None, ...]]:
    """Return the statement, and what each column's type does to a value on its way in."""
    statement = table.insert().compile(dialect=_DIALECT, column_keys=list(columns))
    binds = {name: _binding(table.c[name].type) for name in columns}
    # The compiler puts the columns in the table's order; keep the caller's.
    order = statement.positiontup or []
    if order != list(columns):
        message = "rows must name their columns in the table's order"
        raise ValueError(message)
    return str(statement), tuple(binds[name] for name in columns)


def _binding(kind: TypeEngine[Any]) -> _Bind | None:
    """Return what a type does to a value; a float needs nothing, and there are many of them in a row."""
    return None if isinstance(kind, Double) else kind.dialect_impl(_DIALECT).bind_processor(_DIALECT)


class SqliteRows:
    """A writer with a thread and a connection of its own. The caller sees to it that one call runs at a time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite-rows")
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None

    async def commit(self, inserts: Sequence[SqliteInsert]) -> list[Exception | None]:
        """Write all inserts in one transaction; return after its COMMIT.

        Returns
        -------
        For each insert None, when its rows are on the disk, or why the database refused it.

        Raises
        ------
        sqlite3.Error
            Nothing was written.
        """
        return await self._in_thread(self._commit, inserts)

    async def probe(self) -> None:
        """Write one page and commit it, as a real write would: a full or failing disk shows here."""
        await self._in_thread(self._probe)

    async def reclaim(self) -> None:
        """
        Give freed space back, and leave nothing of deleted rows in the write-ahead log.

        Raises
        ------
        sqlite3.Error
            A reader holds the log; it is emptied when later writes come round to it.
        """
        await self._in_thread(self._reclaim)

    async def close(self) -> None:
        """Close the connection and end the thread."""
        await self._in_thread(self._disconnect)
        self._thread.shutdown()

    async def _in_thread(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: function(*args, **kwargs))

    def _commit(self, inserts: Sequence[SqliteInsert]) -> list[Exception | None]:
        try:
            with self._transaction() as connection:
                for insert in inserts:
                    connection.executemany(insert.statement, insert.parameters)
        except Exception as error:
            if is_outage(error):
                raise
            return self._commit_each(inserts)
        return [None] * len(inserts)

    def _commit_each(self, inserts: Sequence[SqliteInsert]) -> list[Exception | None]:
        """Write again after a refusal, so that it meets only the insert that earned it."""
        with self._transaction() as connection:
            return [self._attempt(connection, insert) for insert in inserts]

    def _attempt(self, connection: sqlite3.Connection, insert: SqliteInsert) -> Exception | None:
        connection.execute("SAVEPOINT attempt")
        try:
            connection.executemany(insert.statement, insert.parameters)
        except Exception as error:
            if is_outage(error):
                raise
            connection.execute("ROLLBACK TO attempt")
            if isinstance(error, sqlite3.IntegrityError):
                return IntegrityError(insert.statement, None, error, hide_parameters=True)
            return error
        finally:
            # After a full disk SQLite may have rolled back everything by itself, and the savepoint with it.
            if connection.in_transaction:
                connection.execute("RELEASE attempt")
        return None

    def _probe(self) -> None:
        with self._transaction() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            connection.execute(f"PRAGMA user_version = {version}")

    def _reclaim(self) -> None:
        connection = self._open()
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        if free > pages // 2:  # VACUUM copies what is left: only when that is the smaller part
            connection.execute("VACUUM")
        # The log is emptied once no reader holds it; writers wait meanwhile, so not for long.
        connection.execute(f"PRAGMA busy_timeout = {RECLAIM_TIMEOUT_MS}")
        (held, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        connection.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_TIMEOUT_MS}")
        if held:
            message = "a reader holds the log"
            raise sqlite3.OperationalError(message)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._open()
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            self._check_file()
            connection.execute("COMMIT")
        except BaseException as error:
            if is_outage(error):
                self._disconnect()  # closing rolls back; the next call finds out whether the trouble is over
            elif connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _open(self) -> sqlite3.Connection:
        """Return a connection to the file that is at the path now, never to one that was deleted."""
        identity = file_identity(self._file)
        if self._connection is not None and identity != self._opened:
            self._disconnect()
        if self._connection is None:
            self._opened = identity
            self._connection = open_sqlite(self._file)
        return self._connection

    def _check_file(self) -> None:
        if file_identity(self._file) != self._opened:
            raise file_is_gone()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
