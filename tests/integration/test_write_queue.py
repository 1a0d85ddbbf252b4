"""What a returned write promises, and what one caller's trouble means for the others."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import TextClause, event, insert, select, text

from app.core.exceptions import Overloaded, StorageUnavailable
from app.database import write_queue
from app.database.connection import Database, WriteSession
from app.database.models import RequestHistory
from app.database.repositories.history import HistoryRepository
from app.database.write_queue import Unit
from tests.integration.test_history import NOON, make_entry


def row(name: str) -> dict[str, object]:
    return {
        "created_at": NOON,
        "processing_time_ms": 1.0,
        "success": True,
        "status_code": 200,
        "request_type": "single",
        "source": "json",
        "request_id": name,
    }


def adding(name: str) -> Callable[[WriteSession], Coroutine[Any, Any, str]]:
    async def unit(session: WriteSession) -> str:
        await session.execute(insert(RequestHistory), [row(name)])
        return name

    return unit


class TooLate(Exception):
    """What a unit of the tests raises."""


async def add_and_fail(session: WriteSession) -> None:
    await adding("undone")(session)
    raise TooLate


async def stored(database: Database) -> list[str | None]:
    async with database.read() as session:
        return list((await session.scalars(select(RequestHistory.request_id).order_by(RequestHistory.id))).all())


async def assert_takes_its_neighbours_down(database: Database, unit: Unit[None]) -> None:
    """The units that share the transaction of `unit` all learn that nothing was stored."""
    results = await asyncio.gather(
        database.writes.run(adding("before")),
        database.writes.run(unit),
        database.writes.run(adding("after")),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [StorageUnavailable] * 3
    assert await stored(database) == []


class TestRun:
    async def test_returns_what_the_unit_returned(self, database: Database) -> None:
        assert await database.writes.run(adding("one")) == "one"

    async def test_returns_only_after_others_can_see_it(self, database: Database) -> None:
        await database.writes.run(adding("one"))
        assert await stored(database) == ["one"]

    async def test_raises_what_the_unit_raised_and_writes_nothing_of_it(self, database: Database) -> None:
        with pytest.raises(TooLate):
            await database.writes.run(add_and_fail)
        assert await stored(database) == []

    async def test_a_failing_unit_fails_alone(self, database: Database) -> None:
        results = await asyncio.gather(
            *(database.writes.run(adding(f"{number}")) for number in range(10)),
            database.writes.run(add_and_fail),
            *(database.writes.run(adding(f"{number}")) for number in range(10, 20)),
            return_exceptions=True,
        )
        assert [type(result) for result in results] == [str] * 10 + [TooLate] + [str] * 10
        assert sorted(map(int, filter(None, await stored(database)))) == list(range(20))

    async def test_a_refused_row_fails_alone(self, database: Database) -> None:
        history = HistoryRepository(database)
        results = await asyncio.gather(
            *(history.add([make_entry(request_id=f"{number}")]) for number in range(10)),
            history.add([make_entry(processing_time_ms=-1.0, request_id="refused")]),
            return_exceptions=True,
        )
        assert [result for result in results[:10] if result is not None] == []
        assert type(results[10]).__name__ == "IntegrityError"
        assert sorted(map(str, await stored(database))) == [f"{number}" for number in range(10)]

    async def test_a_caller_who_goes_away_breaks_nothing(self, database: Database) -> None:
        started = asyncio.Event()

        async def slow(session: WriteSession) -> None:
            started.set()
            await asyncio.sleep(0.05)
            await adding("slow")(session)

        leaving = asyncio.create_task(database.writes.run(slow))
        staying = asyncio.create_task(database.writes.run(adding("stays")))
        await started.wait()
        leaving.cancel()
        assert await staying == "stays"
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert "stays" in await stored(database)

    async def test_counts_two_hundred_concurrent_increments_as_two_hundred(self, database: Database) -> None:
        await HistoryRepository(database).add([make_entry(input_bytes=0)])

        async def increment(session: WriteSession) -> None:
            record = await session.get_one(RequestHistory, 1, with_for_update=True)
            record.input_bytes = (record.input_bytes or 0) + 1

        for _ in range(8):  # within what PostgreSQL's pool lets wait for two seconds
            await asyncio.gather(*(database.writes.run(increment) for _ in range(25)))
        assert (await HistoryRepository(database).page(limit=1)).records[0].input_bytes == 200

    async def test_refuses_work_once_closed(self, database: Database) -> None:
        await database.close()
        with pytest.raises(StorageUnavailable):
            await database.writes.run(adding("late"))

    async def test_finishes_what_waits_when_it_is_closed(self, database: Database, database_url: str) -> None:
        waiting = [asyncio.create_task(database.writes.run(adding(f"{number}"))) for number in range(5)]
        await asyncio.sleep(0)
        await asyncio.gather(*waiting, database.close())
        again = Database(database_url)
        assert len(await stored(again)) == 5
        await again.close()


class TestGroupCommit:
    async def test_shares_one_commit_among_all_that_wait(self, sqlite_database: Database) -> None:
        commits: list[object] = []
        event.listen(sqlite_database._writer.sync_engine, "commit", commits.append)
        await asyncio.gather(*(sqlite_database.writes.run(adding(f"{number}")) for number in range(64)))
        assert len(commits) == 1
        assert len(await stored(sqlite_database)) == 64

    async def test_starts_another_transaction_after_sixty_four(self, sqlite_database: Database) -> None:
        commits: list[object] = []
        event.listen(sqlite_database._writer.sync_engine, "commit", commits.append)
        await asyncio.gather(*(sqlite_database.writes.run(adding(f"{number}")) for number in range(130)))
        assert len(commits) == 3

    async def test_answers_nobody_before_the_commit(self, sqlite_database: Database, tmp_path: Path) -> None:
        """Another connection looks at the moment of the commit, when every unit has long done its work."""
        answered: list[str] = []
        at_commit: list[tuple[int, int]] = []

        def look(_connection: object) -> None:
            with sqlite3.connect(tmp_path / "history.db") as other:
                (count,) = other.execute("SELECT count(*) FROM request_history").fetchone()
            other.close()
            at_commit.append((count, len(answered)))

        async def ask(name: str) -> None:
            answered.append(await sqlite_database.writes.run(adding(name)))

        event.listen(sqlite_database._writer.sync_engine, "commit", look)
        await asyncio.gather(*(ask(f"{number}") for number in range(10)))
        assert at_commit == [(0, 0)]
        assert len(answered) == 10

    async def test_tells_everybody_when_the_commit_fails(self, sqlite_database: Database) -> None:
        def fail(_connection: object) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        event.listen(sqlite_database._writer.sync_engine, "commit", fail)
        results = await asyncio.gather(
            *(sqlite_database.writes.run(adding(f"{number}")) for number in range(5)), return_exceptions=True
        )
        event.remove(sqlite_database._writer.sync_engine, "commit", fail)
        assert [type(result) for result in results] == [StorageUnavailable] * 5
        assert await sqlite_database.writes.run(adding("later")) == "later"
        assert await stored(sqlite_database) == ["later"]

    async def test_a_full_disk_in_one_unit_answers_nobody_in_its_transaction(self, sqlite_database: Database) -> None:
        """SQLite may undo the whole transaction by itself then, also for units that had gone well."""

        async def undo_everything(session: WriteSession) -> None:
            await session.execute(text("ROLLBACK"))
            raise sqlite3.OperationalError("database or disk is full")

        await assert_takes_its_neighbours_down(sqlite_database, undo_everything)

    async def test_notices_a_transaction_undone_behind_a_unit_that_says_nothing(
        self, sqlite_database: Database
    ) -> None:
        async def undo_everything(session: WriteSession) -> None:
            await session.execute(text("ROLLBACK"))

        await assert_takes_its_neighbours_down(sqlite_database, undo_everything)

    async def test_turns_away_whom_it_cannot_seat(
        self, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(write_queue, "WAITING_LIMIT", 3)
        results = await asyncio.gather(
            *(sqlite_database.writes.run(adding(f"{number}")) for number in range(5)), return_exceptions=True
        )
        assert [type(result) for result in results] == [str, str, str, Overloaded, Overloaded]

    async def test_skips_a_caller_who_left_before_his_turn(self, sqlite_database: Database) -> None:
        async with sqlite_database.write():
            leaving = asyncio.create_task(sqlite_database.writes.run(adding("first")))
            second = asyncio.create_task(sqlite_database.writes.run(adding("second")))
            third = asyncio.create_task(HistoryRepository(sqlite_database).add([make_entry(request_id="third")]))
            leaving.cancel()
            await asyncio.sleep(0)
        await asyncio.gather(second, third)
        assert sorted(map(str, await stored(sqlite_database))) == ["second", "third"]

    async def test_answers_with_unavailable_when_the_loop_is_torn_down(self, sqlite_database: Database) -> None:
        started = asyncio.Event()

        async def stuck(_session: WriteSession) -> None:
            started.set()
            await asyncio.sleep(3_600)

        asking = asyncio.create_task(sqlite_database.writes.run(stuck))
        await started.wait()
        waiting = asyncio.create_task(sqlite_database.writes.run(adding("behind")))
        await asyncio.sleep(0)
        assert isinstance(sqlite_database.writes, write_queue.GroupCommit)
        assert sqlite_database.writes._draining is not None
        sqlite_database.writes._draining.cancel()
        results = await asyncio.gather(asking, waiting, return_exceptions=True)
        assert [type(result) for result in results] == [StorageUnavailable] * 2


@pytest.fixture
async def postgres_database(postgres_url: str) -> AsyncIterator[Database]:
    opened = Database(postgres_url)
    yield opened
    await opened.close()


def fail_with(sqlstate: str) -> TextClause:
    return text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{sqlstate}'; END $$")


@pytest.mark.postgres
class TestDirectCommit:
    @pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
    async def test_repeats_once_what_the_server_undid(self, postgres_database: Database, sqlstate: str) -> None:
        attempts: list[str] = []

        async def unit(session: WriteSession) -> str:
            attempts.append("attempt")
            await adding("one")(session)
            if len(attempts) == 1:
                await session.execute(fail_with(sqlstate))
            return "done"

        assert await postgres_database.writes.run(unit) == "done"
        assert await stored(postgres_database) == ["one"]

    async def test_gives_up_after_the_second_attempt(self, postgres_database: Database) -> None:
        attempts: list[str] = []

        async def unit(session: WriteSession) -> None:
            attempts.append("attempt")
            await session.execute(fail_with("40001"))

        with pytest.raises(StorageUnavailable):
            await postgres_database.writes.run(unit)
        assert len(attempts) == 2

    @pytest.mark.parametrize(("idempotent", "attempts_made"), [(True, 2), (False, 1)])
    async def test_repeats_after_a_lost_connection_only_what_may_be_repeated(
        self, postgres_database: Database, idempotent: bool, attempts_made: int
    ) -> None:
        attempts: list[str] = []

        async def unit(session: WriteSession) -> None:
            attempts.append("attempt")
            if len(attempts) == 1:
                await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

        outcome = await asyncio.gather(
            postgres_database.writes.run(unit, idempotent=idempotent), return_exceptions=True
        )
        assert len(attempts) == attempts_made
        assert outcome[0] is None if idempotent else isinstance(outcome[0], StorageUnavailable)

    async def test_survives_a_column_added_under_it(self, postgres_database: Database) -> None:
        async def read_all(session: WriteSession) -> int:
            return len((await session.execute(text("SELECT * FROM request_history"))).all())

        assert await postgres_database.writes.run(read_all) == 0
        async with postgres_database.write() as session:
            await session.execute(text("ALTER TABLE request_history ADD COLUMN added INTEGER"))
        for _ in range(8):
            assert await postgres_database.writes.run(read_all) == 0
