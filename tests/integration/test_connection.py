"""What a connection promises, and that every kind of outage looks the same from outside."""

import asyncio
import resource
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import pytest
import structlog
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.exceptions import StorageUnavailable
from app.database import connection as connection_module
from app.database import engines
from app.database.connection import Database
from app.database.engines import open_sqlite
from app.database.models import Base, RequestHistory
from app.database.repositories.history import HistoryEntry, HistoryRepository
from tests.integration.test_history import make_entry

COUNT = text("SELECT count(*) FROM request_history")
PROMISES = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL
    "foreign_keys": 1,
    "busy_timeout": 5_000,
    "secure_delete": 1,
    "journal_size_limit": 67_108_864,
}


async def pragmas_of(session: AsyncSession) -> dict[str, object]:
    return {name: await session.scalar(text(f"PRAGMA {name}")) for name in PROMISES}


async def assert_out_of_order(database: Database) -> None:
    """Reading, writing and the probe all say that the storage is unavailable."""
    with pytest.raises(StorageUnavailable):
        await HistoryRepository(database).page(limit=1)
    with pytest.raises(StorageUnavailable):
        await HistoryRepository(database).add([make_entry()])
    with pytest.raises(StorageUnavailable):
        await database.ping()


class TestSqliteConnections:
    async def test_the_writer_keeps_its_promises(self, sqlite_database: Database) -> None:
        async with sqlite_database.write() as session:
            assert await pragmas_of(session) == PROMISES

    async def test_readers_keep_them_and_cannot_write(self, sqlite_database: Database) -> None:
        async with sqlite_database.read() as session:
            assert await pragmas_of(session) == PROMISES
            assert await session.scalar(text("PRAGMA query_only")) == 1

    def test_the_connection_for_plain_inserts_keeps_them(self, migrated_sqlite_file: Path) -> None:
        with closing(open_sqlite(migrated_sqlite_file)) as connection:
            found = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in PROMISES}
        assert found == PROMISES

    async def test_a_path_may_hold_any_character(self, migrated_sqlite_file: Path, tmp_path: Path) -> None:
        file = shutil.copy(migrated_sqlite_file, tmp_path / "история 100%#&.db")
        database = Database(f"sqlite+aiosqlite:///{file}")
        await HistoryRepository(database).add([make_entry()])
        assert (await HistoryRepository(database).page(limit=1)).total == 1
        await database.close()

    async def test_a_file_that_is_not_there_is_never_made(self, tmp_path: Path) -> None:
        database = Database(f"sqlite+aiosqlite:///{tmp_path / 'gone.db'}")
        await assert_out_of_order(database)
        await database.close()
        assert not any(tmp_path.iterdir())  # noqa: ASYNC240 - a test has time


class TestAddress:
    @pytest.mark.parametrize("url", ["sqlite+aiosqlite://", "sqlite+aiosqlite:///:memory:", "mysql://root@host/name"])
    def test_refuses_what_it_cannot_promise_anything_on(self, url: str) -> None:
        with pytest.raises(ValueError, match="not supported"):
            Database(url)

    @pytest.mark.parametrize(
        ("url", "dialect"),
        [("sqlite:///history.db", "sqlite"), ("postgresql://u@h/n", "postgresql"), ("postgres://u@h/n", "postgresql")],
    )
    async def test_takes_the_short_forms(self, url: str, dialect: str) -> None:
        database = Database(url)
        assert database.dialect == dialect
        await database.close()


class TestSessions:
    async def test_a_reader_cannot_write(self, database: Database) -> None:
        with pytest.raises(StorageUnavailable):
            async with database.read() as session:
                await session.execute(text("DELETE FROM request_history"))

    async def test_a_reader_sees_one_moment(self, database: Database) -> None:
        history = HistoryRepository(database)
        async with database.read() as session:
            assert await session.scalar(COUNT) == 0
            await history.add([make_entry()])
            assert await session.scalar(COUNT) == 0
        assert (await history.page(limit=1)).total == 1

    async def test_a_writer_is_rolled_back_by_an_error(self, database: Database) -> None:
        async def fail() -> None:
            async with database.write() as session:
                await session.execute(insert(RequestHistory), [row_of(make_entry())])
                raise LookupError

        with pytest.raises(LookupError):
            await fail()
        assert (await HistoryRepository(database).page(limit=1)).total == 0

    async def test_writers_take_turns(self, database: Database) -> None:
        await HistoryRepository(database).add([make_entry(input_bytes=0)])

        async def increment() -> None:
            async with database.write() as session:
                record = await session.get_one(RequestHistory, 1, with_for_update=True)
                record.input_bytes = (record.input_bytes or 0) + 1

        await asyncio.gather(*(increment() for _ in range(20)))
        assert (await HistoryRepository(database).page(limit=1)).records[0].input_bytes == 20

    async def test_nothing_is_given_out_after_closing(self, database: Database) -> None:
        await database.close()
        with pytest.raises(StorageUnavailable):
            async with database.read():
                pass
        with pytest.raises(StorageUnavailable):
            async with database.write():
                pass

    async def test_closing_twice_does_nothing(self, database: Database) -> None:
        await HistoryRepository(database).add([make_entry()])
        await database.close()
        await database.close()


def row_of(entry: HistoryEntry) -> dict[str, object]:
    return {name: getattr(entry, name) for name in entry.__slots__}


class TestPing:
    async def test_passes_where_the_database_can_be_written(self, database: Database) -> None:
        await database.ping()

    async def test_changes_nothing(self, database: Database) -> None:
        await database.ping()
        assert (await HistoryRepository(database).page(limit=1)).total == 0

    async def test_fails_after_closing(self, database: Database) -> None:
        await database.close()
        with pytest.raises(StorageUnavailable):
            await database.ping()

    async def test_fails_where_another_process_holds_the_write_lock(
        self, sqlite_database: Database, tmp_path: Path
    ) -> None:
        with closing(sqlite3.connect(tmp_path / "history.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StorageUnavailable):
                await sqlite_database.ping()
            other.execute("ROLLBACK")
        await sqlite_database.ping()

    @pytest.mark.postgres
    async def test_fails_on_a_replica(self, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(engines.POSTGRES_SERVER_SETTINGS, "default_transaction_read_only", "on")
        database = Database(postgres_url)
        with pytest.raises(StorageUnavailable):
            await database.ping()
        await database.close()


def delete(file: Path) -> None:
    for name in (file.name, f"{file.name}-wal", f"{file.name}-shm"):
        file.with_name(name).unlink(missing_ok=True)


class TestDeletingTheFile:
    async def test_is_an_outage_for_connections_that_are_open(self, sqlite_database: Database, tmp_path: Path) -> None:
        history = HistoryRepository(sqlite_database)
        await history.add([make_entry()])
        assert (await history.page(limit=1)).total == 1
        assert await history.clear() == 1
        delete(tmp_path / "history.db")
        with pytest.raises(StorageUnavailable):
            await history.add([make_entry()])
        with pytest.raises(StorageUnavailable):
            await history.page(limit=1)
        with pytest.raises(StorageUnavailable):
            await history.clear()
        with pytest.raises(StorageUnavailable):
            await sqlite_database.ping()
        assert not any(tmp_path.iterdir())  # noqa: ASYNC240 - a test has time

    async def test_in_the_middle_of_a_transaction_is_one_too(self, sqlite_database: Database, tmp_path: Path) -> None:
        async def write_while_it_goes() -> None:
            async with sqlite_database.write() as session:
                await session.execute(insert(RequestHistory), [row_of(make_entry())])
                delete(tmp_path / "history.db")

        with pytest.raises(StorageUnavailable):
            await write_while_it_goes()

    async def test_is_over_when_there_is_a_file_again(
        self, sqlite_database: Database, migrated_sqlite_file: Path, tmp_path: Path
    ) -> None:
        history = HistoryRepository(sqlite_database)
        await history.add([make_entry()])
        assert (await history.page(limit=1)).total == 1
        delete(tmp_path / "history.db")
        with pytest.raises(StorageUnavailable):
            await history.add([make_entry()])
        shutil.copy(migrated_sqlite_file, tmp_path / "history.db")
        await history.add([make_entry(), make_entry()])
        assert (await history.page(limit=1)).total == 2
        await sqlite_database.ping()
        assert await history.clear() == 2


class TestTheLog:
    async def test_has_the_reason_of_an_outage_and_nothing_of_the_row(
        self, sqlite_database: Database, tmp_path: Path
    ) -> None:
        history = HistoryRepository(sqlite_database)
        delete(tmp_path / "history.db")
        with structlog.testing.capture_logs() as events, pytest.raises(StorageUnavailable):
            await history.add([make_entry(error_message="secret")])
        assert [event["event"] for event in events] == ["storage_unavailable"]
        assert events[0]["log_level"] == "warning"
        assert events[0]["reason"] == "unable to open database file"

    async def test_tells_a_full_disk(self, sqlite_database: Database) -> None:
        with structlog.testing.capture_logs() as events:
            await fill_the_disk(HistoryRepository(sqlite_database))
        reasons = {event["reason"] for event in events}
        assert reasons <= {"database or disk is full", "disk I/O error"}
        assert reasons


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """Let writes past `size` fail, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def fill_the_disk(history: HistoryRepository) -> int:
    """Add rows until none more fit; return how many were promised."""
    promised = (await history.page(limit=1)).total
    with no_file_longer_than(500_000):
        while promised < 100_000:
            try:
                await history.add([make_entry(error_message="x" * 400)] * 20)
            except StorageUnavailable:
                return promised
            promised += 20
    pytest.fail("the disk never filled")


@asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """A server that takes connections and never says a word."""

    async def listen(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.append(writer)

    callers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for caller in callers:
        caller.close()
        await asyncio.gather(caller.wait_closed(), return_exceptions=True)


class TestOutages:
    async def test_a_full_disk_refuses_writes_keeps_reads_and_passes(
        self, sqlite_database: Database, tmp_path: Path
    ) -> None:
        history = HistoryRepository(sqlite_database)
        promised = await fill_the_disk(history)
        with no_file_longer_than(4_000):
            assert (await history.page(limit=1)).total == promised > 0
            with pytest.raises(StorageUnavailable):
                await sqlite_database.ping()
        await history.add([make_entry()])
        await sqlite_database.ping()
        assert (await history.page(limit=1)).total == promised + 1
        with closing(sqlite3.connect(tmp_path / "history.db")) as other:
            assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)

    async def test_a_lock_held_too_long_is_an_outage(
        self, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engines, "SQLITE_PRAGMAS", ("busy_timeout = 20", *engines.SQLITE_PRAGMAS[1:]))
        database = Database(sqlite_url)
        history = HistoryRepository(database)
        with closing(sqlite3.connect(tmp_path / "history.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StorageUnavailable):
                await history.add([make_entry()])
            with pytest.raises(StorageUnavailable):
                await history.clear()
            assert (await history.page(limit=1)).total == 0
            other.execute("ROLLBACK")
        await history.add([make_entry()])
        await database.close()

    async def test_a_file_that_is_no_database_is_an_outage(self, tmp_path: Path) -> None:
        file = tmp_path / "history.db"
        file.write_bytes(b"not a database" * 1_000)
        database = Database(f"sqlite+aiosqlite:///{file}")
        with pytest.raises(StorageUnavailable):
            await HistoryRepository(database).page(limit=1)
        with pytest.raises(StorageUnavailable):
            await HistoryRepository(database).add([make_entry()])
        await database.close()
        assert file.read_bytes() == b"not a database" * 1_000

    async def test_a_server_that_is_not_there_is_an_outage(self, unused_tcp_port: int) -> None:
        database = Database(f"postgresql+asyncpg://user@127.0.0.1:{unused_tcp_port}/name")
        await assert_out_of_order(database)
        await database.close()

    async def test_a_server_that_says_nothing_is_an_outage(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(engines, "POSTGRES_CONNECT_TIMEOUT_S", 0.2)
        monkeypatch.setattr(connection_module, "PROBE_DEADLINE_S", 0.1)
        async with silent_server() as port:
            database = Database(f"postgresql+asyncpg://user@127.0.0.1:{port}/name")
            with pytest.raises(StorageUnavailable):
                await HistoryRepository(database).page(limit=1)
            with pytest.raises(StorageUnavailable):
                await database.ping()
            await database.close()

    @pytest.mark.postgres
    async def test_a_database_that_does_not_exist_is_an_outage(self, postgres_url: str) -> None:
        database = Database(f"{postgres_url}_not")
        with pytest.raises(StorageUnavailable):
            await HistoryRepository(database).page(limit=1)
        await database.close()

    @pytest.mark.postgres
    async def test_a_statement_that_takes_too_long_is_an_outage(self, postgres_url: str) -> None:
        database = Database(postgres_url)

        async def sleep() -> None:
            async with database.read() as session:
                await session.execute(text("SET LOCAL statement_timeout = 20"))
                await session.execute(text("SELECT pg_sleep(10)"))

        with pytest.raises(StorageUnavailable):
            await sleep()
        await database.close()

    @pytest.mark.postgres
    async def test_a_connection_lost_between_two_requests_is_none(self, postgres_url: str) -> None:
        database = Database(postgres_url)
        history = HistoryRepository(database)
        await history.add([make_entry()])
        async with database.write() as session:
            await session.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND pid <> pg_backend_pid()"
                )
            )
        await history.add([make_entry()])
        assert (await history.page(limit=1)).total == 2
        await database.close()


def test_no_relationship_loads_behind_an_attribute() -> None:
    lazies = {
        str(relationship): relationship.lazy
        for mapper in Base.registry.mappers
        for relationship in mapper.relationships
        if relationship.lazy != "raise"
    }
    assert lazies == {}
