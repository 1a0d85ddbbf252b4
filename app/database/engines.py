"""Making engines: the promises of durability and the timeouts live here, for the service, its tests and migrations."""

import errno
import sqlite3
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import quote

from sqlalchemy import URL, Connection, NullPool, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from app.database.address import is_sqlite, sqlite_file

POOL_TIMEOUT_S: Final = 2
SQLITE_READERS: Final = 4
SQLITE_BUSY_TIMEOUT_MS: Final = 5_000
POSTGRES_POOL_SIZE: Final = 8
POSTGRES_CONNECT_TIMEOUT_S: Final = 3
POSTGRES_COMMAND_TIMEOUT_S: Final = 5
POSTGRES_RECYCLE_S: Final = 1_800
_FILE: Final = "file_identity"

POSTGRES_SERVER_SETTINGS: Final = {
    "application_name": "ecg-service",
    "statement_timeout": "5000",
    "lock_timeout": "3000",
    "idle_in_transaction_session_timeout": "10000",
}

SQLITE_PRAGMAS: Final = (
    f"busy_timeout = {SQLITE_BUSY_TIMEOUT_MS}",  # first: the next line may have to wait
    "journal_mode = WAL",
    "synchronous = FULL",  # a commit is on the disk when it returns; NORMAL loses acknowledged rows in a power cut
    "foreign_keys = ON",
    "secure_delete = ON",  # what is erased is overwritten
    "journal_size_limit = 67108864",
)


class _Cursor(Protocol):
    def execute(self, statement: str, /) -> object: ...
    def close(self) -> None: ...


class _Connection(Protocol):
    def cursor(self) -> _Cursor: ...
    def close(self) -> None: ...


def sqlite_writer(address: URL) -> AsyncEngine:
    """Return the engine of the one writer: it takes the write lock when a transaction begins, never later."""
    engine = _sqlite_engine(address, mode="rw", pool_size=1)
    _listen(engine, pragmas=SQLITE_PRAGMAS, begin="BEGIN IMMEDIATE")
    return engine


def sqlite_readers(address: URL) -> AsyncEngine:
    """Return the engine of the readers: they cannot write, and never wait for the writer."""
    engine = _sqlite_engine(address, mode="rw", pool_size=SQLITE_READERS)
    _listen(engine, pragmas=(*SQLITE_PRAGMAS, "query_only = ON"), begin="BEGIN")
    return engine


def file_identity(file: Path) -> tuple[int, int] | None:
    """Return what tells this file from another that takes its path later; None where there is none."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def file_is_gone() -> sqlite3.OperationalError:
    """Return the error for a database whose file was deleted or replaced under its connections."""
    return sqlite3.OperationalError("the database file was deleted or replaced")


def open_sqlite(file: Path) -> sqlite3.Connection:
    """Return a plain connection with the writer's pragmas, to a file that exists."""
    connection = sqlite3.connect(_file_uri(file, mode="rw"), uri=True, isolation_level=None, check_same_thread=False)
    try:
        _apply(connection, SQLITE_PRAGMAS)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def postgres_pool(address: URL) -> AsyncEngine:
    """Return a pool with a fixed size in which nothing waits for ever."""
    return create_async_engine(
        address,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=POSTGRES_POOL_SIZE,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_S,
        pool_recycle=POSTGRES_RECYCLE_S,
        connect_args={
            "timeout": POSTGRES_CONNECT_TIMEOUT_S,
            "command_timeout": POSTGRES_COMMAND_TIMEOUT_S,
            "server_settings": POSTGRES_SERVER_SETTINGS,
        },
    )


def migration_engine(address: URL) -> AsyncEngine:
    """Return an engine for one migration: on SQLite it holds the write lock from the first statement on."""
    if is_sqlite(address):
        engine = _sqlite_engine(address, mode="rwc", pool_size=None)
        # Another process may be migrating: wait for it. Tables are rebuilt by copying, so no cascade may fire.
        patient = ("busy_timeout = 60000", *SQLITE_PRAGMAS[1:], "foreign_keys = OFF")
        _listen(engine, pragmas=patient, begin="BEGIN IMMEDIATE")
        return engine
    return create_async_engine(
        address,
        hide_parameters=True,
        poolclass=NullPool,
        connect_args={
            "timeout": POSTGRES_CONNECT_TIMEOUT_S,
            "server_settings": {
                "application_name": "ecg-service migration",
                "statement_timeout": "300000",
                "lock_timeout": "10000",
            },
        },
    )


def _sqlite_engine(address: URL, *, mode: str, pool_size: int | None) -> AsyncEngine:
    pool: dict[str, Any] = (
        {"poolclass": NullPool}
        if pool_size is None
        else {"pool_size": pool_size, "max_overflow": 0, "pool_timeout": POOL_TIMEOUT_S}
    )
    file = sqlite_file(address)
    engine = create_async_engine(
        URL.create(address.drivername, database=_file_uri(file, mode=mode), query={"uri": "true"}),
        hide_parameters=True,
        connect_args={"isolation_level": None},  # transactions begin where this module says, not in the driver
        **pool,
    )
    needed = file.parent if mode == "rwc" else file

    @event.listens_for(engine.sync_engine, "do_connect")
    def look_first(*_: object) -> None:
        # An open that fails in the driver leaves its thread to end by itself, at worst after the event loop.
        if not needed.exists():
            raise FileNotFoundError(errno.ENOENT, "unable to open database file", str(needed))

    if mode == "rw":
        _watch(engine, file)
    return engine


def _watch(engine: AsyncEngine, file: Path) -> None:
    """Let no connection outlive its file: what is written to a deleted one is gone with the process."""

    @event.listens_for(engine.sync_engine, "connect")
    def remember(_connection: object, record: ConnectionPoolEntry) -> None:
        record.info[_FILE] = file_identity(file)

    @event.listens_for(engine.sync_engine, "checkout")
    def compare(_connection: object, record: ConnectionPoolEntry, _proxy: object) -> None:
        if record.info.get(_FILE) != file_identity(file):
            raise DisconnectionError  # the pool connects anew, which fails unless there is a file again

    @event.listens_for(engine.sync_engine, "commit")
    def compare_again(connection: Connection) -> None:
        if connection.info.get(_FILE) != file_identity(file):
            raise file_is_gone()


def _file_uri(file: Path, *, mode: str) -> str:
    # Mode rw: a database that has gone is an outage, never a reason to make an empty one.
    return f"file:{quote(str(file))}?mode={mode}"


def _listen(engine: AsyncEngine, *, pragmas: tuple[str, ...], begin: str) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: _Connection, _record: object) -> None:
        try:
            _apply(connection, pragmas)
        except BaseException:  # the pool never gets to know this connection, and its thread would stay
            connection.close()
            raise

    @event.listens_for(engine.sync_engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)


def _apply(connection: _Connection | sqlite3.Connection, pragmas: tuple[str, ...]) -> None:
    cursor = connection.cursor()
    for pragma in pragmas:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
