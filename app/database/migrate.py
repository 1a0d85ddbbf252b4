"""Bringing the schema up to date, so that no moment of a crash leaves half a migration.

All migrations of one upgrade are one transaction, on SQLite as well, and on SQLite it holds the write lock from its
first statement: other processes wait, and the copy made before the first change holds every row ever acknowledged.
"""

import asyncio
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from alembic import command
from app.database.address import is_sqlite, parse, sqlite_file
from app.database.engines import migration_engine, open_sqlite

ALEMBIC_INI: Final = Path(__file__).resolve().parents[2] / "alembic.ini"


class MigrationFailed(Exception):
    """The schema could not be brought up to date; the database is as it was before."""


async def upgrade(url: str, revision: str = "head") -> None:
    """
    Bring the schema to a revision; do nothing where it is there already.

    A filled SQLite file is copied to `FILE.backup` first.

    Parameters
    ----------
    url
        The database's address.
    revision
        A later revision than the database's.

    Raises
    ------
    MigrationFailed
        Whatever the reason; it is the cause.
    ValueError
        For an address that is not supported.
    """
    address = parse(url)
    file = sqlite_file(address) if is_sqlite(address) else None
    engine = migration_engine(address)
    copy: Path | None = None
    before: str | None = None
    try:
        async with engine.begin() as connection:
            before = await connection.run_sync(_current)
            if before == _resolve(revision):
                return
            if file is not None and await connection.run_sync(_has_tables):
                copy = await asyncio.to_thread(back_up, file)
            await connection.run_sync(_upgrade, revision)
            if file is not None:
                await connection.run_sync(_check_sqlite)
    except Exception as error:  # a migration may raise anything
        if file is not None and copy is not None:
            await asyncio.to_thread(_restore_if_damaged, file, copy, before)
        reason = str(getattr(error, "orig", None) or error)
        raise MigrationFailed(f"{MigrationFailed.__doc__} Reason: {reason}") from error
    finally:
        await engine.dispose()


def back_up(file: Path) -> Path:
    """
    Copy an SQLite database as of now, with what its write-ahead log holds; writers may go on meanwhile.

    Returns
    -------
    The copy, `FILE.backup`, which takes the place of an earlier one only when it is whole and on the disk.
    """
    copy, draft = file.with_name(f"{file.name}.backup"), file.with_name(f"{file.name}.backup.part")
    draft.unlink(missing_ok=True)
    with closing(open_sqlite(file)) as connection:
        connection.execute("VACUUM INTO ?", (str(draft),))
    shutil.copymode(file, draft)
    with draft.open("rb") as written:
        os.fsync(written.fileno())
    draft.replace(copy)
    return copy


def _config() -> Config:
    return Config(ALEMBIC_INI)


def _resolve(revision: str) -> str:
    return ScriptDirectory.from_config(_config()).get_revision(revision).revision


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _has_tables(connection: Connection) -> bool:
    return bool(inspect(connection).get_table_names())


def _upgrade(connection: Connection, revision: str) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _check_sqlite(connection: Connection) -> None:
    """Refuse to commit a schema that broke a reference or the file."""
    orphan = connection.execute(text("PRAGMA foreign_key_check")).first()
    health = connection.execute(text("PRAGMA quick_check")).scalar()
    if orphan is not None or health != "ok":
        message = f"after the migration: orphans {'yes' if orphan else 'no'}, file {health}"
        raise RuntimeError(message)


def _restore_if_damaged(file: Path, copy: Path, before: str | None) -> None:
    """Bring the copy back, but only over damage: what was rolled back needs none, and may hold newer rows."""
    with closing(sqlite3.connect(file)) as connection:
        try:
            (health,) = connection.execute("PRAGMA quick_check").fetchone()
            (now,) = connection.execute("SELECT max(version_num) FROM alembic_version").fetchone()
        except sqlite3.DatabaseError:
            health, now = "damaged", None
        if health == "ok" and now == before:
            return
        with closing(sqlite3.connect(copy)) as source:
            source.backup(connection)
