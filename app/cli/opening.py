"""The database, opened as the service opens it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.core.config import Settings
from app.core.starting import StartRefused
from app.database.connection import Database
from app.database.migrate import MigrationFailed, upgrade


@asynccontextmanager
async def opened_database(settings: Settings) -> AsyncIterator[Database]:
    """Open the database, with its migrations where the service would run them.

    Raises
    ------
    StartRefused
        The address will not do, or the schema cannot be brought up to date.
    """
    try:
        database = Database(settings.database_url)
        if settings.migrates_at_start:
            await upgrade(settings.database_url)
    except (ValueError, MigrationFailed) as error:
        raise StartRefused(f"DATABASE_URL: {error}") from error
    try:
        yield database
    finally:
        await database.close()
