"""Every migration goes up, comes down and goes up again; none stops half way."""

import asyncio
import os
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from sqlalchemy import Connection, inspect

from alembic import command
from app.database import migrate
from app.database.address import parse
from app.database.connection import Database
from app.database.engines import migration_engine
from app.database.migrate import MigrationFailed, upgrade
from app.database.models import Base
from app.database.repositories.history import HistoryRepository
from app.database.repositories.ledger import LedgerRepository
from app.database.repositories.users import UserRepository
from tests.conftest import PROJECT_DIR
from tests.fixtures.database import Postgres, unique_name
from tests.integration.test_history import make_entry

Work = Callable[[Connection], Any]


async def with_connection(url: str, work: Work) -> Any:
    engine = migration_engine(parse(url))
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


def alembic(run: Callable[[Config], object]) -> Work:
    def work(connection: Connection) -> None:
        config = Config(PROJECT_DIR / "alembic.ini")
        config.attributes["connection"] = connection
        run(config)

    return work


def describe(connection: Connection) -> dict[str, object]:
    """Everything the inspector sees of every table but Alembic's own."""
    see = inspect(connection)
    return {
        table: {
            "columns": [(column["name"], str(column["type"]), column["nullable"]) for column in see.get_columns(table)],
            "key": see.get_pk_constraint(table),
            "checks": sorted((str(check["name"]), check["sqltext"]) for check in see.get_check_constraints(table)),
            "indexes": sorted((str(index["name"]), index["column_names"]) for index in see.get_indexes(table)),
            "unique": see.get_unique_constraints(table),
            "foreign": see.get_foreign_keys(table),
        }
        for table in see.get_table_names()
        if table != "alembic_version"
    }


@pytest.fixture
async def empty_url(postgres_server: Postgres | None, tmp_path: Path) -> AsyncIterator[str]:
    """Address of a database of the same kind that no migration has seen."""
    if postgres_server is None:
        yield f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}"
        return
    name = unique_name()
    yield await postgres_server.create(name)
    await postgres_server.drop(name)


@pytest.fixture
def postgres_server(request: pytest.FixtureRequest, database_url: str) -> Postgres | None:
    """The server, when the test runs on PostgreSQL."""
    if database_url.startswith("sqlite"):
        return None
    server: Postgres = request.getfixturevalue("postgres")
    return server


async def run_child(*arguments: str) -> tuple[int, str]:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.child", *arguments, stdout=PIPE, stderr=PIPE, cwd=PROJECT_DIR
    )
    _, complaints = await child.communicate()
    assert child.returncode is not None
    return child.returncode, complaints.decode()


class TestSchema:
    async def test_is_what_the_models_say(self, database_url: str) -> None:
        await with_connection(database_url, alembic(command.check))

    async def test_is_what_the_models_would_make_with_their_checks(self, database_url: str, empty_url: str) -> None:
        await with_connection(empty_url, Base.metadata.create_all)
        assert await with_connection(empty_url, describe) == await with_connection(database_url, describe)

    async def test_goes_down_to_nothing_and_up_again(self, database_url: str) -> None:
        before = await with_connection(database_url, describe)
        database = Database(database_url)
        await HistoryRepository(database).add([make_entry()])
        await database.close()
        await with_connection(database_url, alembic(lambda config: command.downgrade(config, "base")))
        assert await with_connection(database_url, describe) == {}
        await upgrade(database_url)
        assert await with_connection(database_url, describe) == before

    async def test_is_made_from_nothing_by_the_documented_command(self, empty_url: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "alembic", "upgrade", "head"),
            cwd=PROJECT_DIR,
            env={**os.environ, "DATABASE_URL": empty_url},
            stderr=PIPE,
        )
        _, log = await process.communicate()
        assert process.returncode == 0, log.decode()
        await with_connection(empty_url, alembic(command.check))


class TestLedger:
    async def test_begins_with_nothing_for_accounts_that_are_there(self, empty_url: str) -> None:
        await upgrade(empty_url, "8f3b6a2d9c47")
        columns = "username, username_key, role, is_active, is_from_settings, password_hash, token_version"
        moment = "CURRENT_TIMESTAMP" if empty_url.startswith("postgresql") else "0"
        insert = (
            f"INSERT INTO users ({columns}, created_at, updated_at) VALUES ('a', 'a', 'patient', true, false, '', 1"
        )

        def add_account(connection: Connection) -> None:
            connection.exec_driver_sql(f"{insert}, {moment}, {moment})")

        await with_connection(empty_url, add_account)
        await upgrade(empty_url)
        database = Database(empty_url)
        assert [user.balance for user in (await UserRepository(database).page(limit=9, offset=0)).users] == [0]
        assert await LedgerRepository(database).unbalanced() == []
        await database.close()


class TestKilledMigration:
    @pytest.mark.slow
    async def test_leaves_nothing_half_made_wherever_it_dies(self, empty_url: str) -> None:
        """Killed before its first change, before its second, ..., before its commit; then it goes through."""
        deaths = 0
        while True:
            returncode, complaints = await run_child("migrate", empty_url, str(deaths))
            assert complaints == ""
            if returncode == 0:
                break
            assert returncode == -signal.SIGKILL
            assert await with_connection(empty_url, describe) == {}
            deaths += 1
        assert deaths > 5
        await with_connection(empty_url, alembic(command.check))

    async def test_runs_again_after_a_statement_failed(self, empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(connection: Connection, revision: str) -> None:
            complete(connection, revision)
            connection.exec_driver_sql("SELECT * FROM nowhere")

        complete = migrate._upgrade
        monkeypatch.setattr(migrate, "_upgrade", fail)
        with pytest.raises(MigrationFailed, match="nowhere"):
            await upgrade(empty_url)
        assert await with_connection(empty_url, describe) == {}
        monkeypatch.undo()
        await upgrade(empty_url)
        await with_connection(empty_url, alembic(command.check))


class TestUpgrade:
    async def test_does_nothing_where_there_is_nothing_to_do(self, sqlite_url: str, tmp_path: Path) -> None:
        await upgrade(sqlite_url)
        assert not (tmp_path / "history.db.backup").exists()

    async def test_lets_one_process_do_it_and_the_others_wait(self, empty_url: str) -> None:
        outcomes = await asyncio.gather(*(run_child("migrate", empty_url, "1000") for _ in range(3)))
        assert outcomes == [(0, "")] * 3
        await with_connection(empty_url, alembic(command.check))

    async def test_refuses_a_schema_it_does_not_know(self, database_url: str) -> None:
        def forget(connection: Connection) -> None:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'c48a9029ad04'")

        await with_connection(database_url, forget)
        with pytest.raises(MigrationFailed, match="c48a9029ad04"):
            await upgrade(database_url)

    async def test_refuses_a_file_that_is_no_database_and_leaves_it(self, tmp_path: Path) -> None:
        file = tmp_path / "letter.db"
        file.write_bytes(b"dear madam" * 500)
        with pytest.raises(MigrationFailed, match="not a database"):
            await upgrade(f"sqlite+aiosqlite:///{file}")
        assert file.read_bytes() == b"dear madam" * 500

    async def test_refuses_a_folder_that_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(MigrationFailed, match="unable to open"):
            await upgrade(f"sqlite+aiosqlite:///{tmp_path / 'nowhere' / 'history.db'}")

    async def test_fails_where_there_is_no_server(self, unused_tcp_port: int) -> None:
        with pytest.raises(MigrationFailed):
            await upgrade(f"postgresql+asyncpg://user@127.0.0.1:{unused_tcp_port}/name")


class TestBackup:
    @pytest.fixture
    async def outdated_url(self, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
        """A filled database that has a migration before it."""
        database = Database(sqlite_url)
        await HistoryRepository(database).add([make_entry() for _ in range(10)])
        await database.close()
        monkeypatch.setattr(migrate, "_resolve", lambda _revision: "a later one")
        return sqlite_url

    async def test_is_made_before_a_filled_database_changes(self, outdated_url: str, tmp_path: Path) -> None:
        await upgrade(outdated_url)
        assert count(tmp_path / "history.db.backup") == 10

    async def test_holds_what_is_still_in_the_log(self, sqlite_database: Database, tmp_path: Path) -> None:
        await HistoryRepository(sqlite_database).add([make_entry() for _ in range(10)])
        assert count(migrate.back_up(tmp_path / "history.db")) == 10

    async def test_takes_the_place_of_an_older_one(self, outdated_url: str, tmp_path: Path) -> None:
        (tmp_path / "history.db.backup").write_bytes(b"old")
        (tmp_path / "history.db.backup.part").write_bytes(b"cut off")
        await upgrade(outdated_url)
        assert count(tmp_path / "history.db.backup") == 10
        assert not (tmp_path / "history.db.backup.part").exists()

    async def test_comes_back_when_the_failed_migration_did_damage(
        self, outdated_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def escape_the_transaction(connection: Connection, _revision: str) -> None:
            for statement in ("DROP TABLE request_history", "DELETE FROM alembic_version", "COMMIT"):
                connection.exec_driver_sql(statement)
            raise RuntimeError

        monkeypatch.setattr(migrate, "_upgrade", escape_the_transaction)
        with pytest.raises(MigrationFailed):
            await upgrade(outdated_url)
        assert count(tmp_path / "history.db") == 10

    async def test_stays_away_when_the_failed_migration_did_none(
        self, outdated_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A row that came in after the copy must not be lost to it."""

        def fail(connection: Connection, _revision: str) -> None:
            connection.exec_driver_sql("ROLLBACK")
            with closing(sqlite3.connect(tmp_path / "history.db")) as other:
                other.execute("DELETE FROM request_history WHERE id > 3")
                other.commit()
            raise RuntimeError

        monkeypatch.setattr(migrate, "_upgrade", fail)
        with pytest.raises(MigrationFailed):
            await upgrade(outdated_url)
        assert count(tmp_path / "history.db") == 3


def count(file: Path) -> int:
    """Return the number of rows in a file that must be whole."""
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (rows,) = connection.execute("SELECT count(*) FROM request_history").fetchone()
    return int(rows)
