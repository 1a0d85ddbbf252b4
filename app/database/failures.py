"""What counts as "the database is not there": one place turns all of it into one error."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.core.exceptions import StorageUnavailable

_REFUSED_DATA = (IntegrityError, DataError, sqlite3.IntegrityError)
"""The database is well and refuses what it was given: the caller's fault, or a bug, but no outage."""

_OUTAGES = (
    OSError,  # refused, reset, no route, no such file; asyncio's TimeoutError is one as well
    DBAPIError,
    PoolTimeout,
    sqlite3.Error,
    asyncpg.PostgresError,  # from connecting, before SQLAlchemy wraps anything
    asyncpg.InterfaceError,
)


def is_outage(error: BaseException) -> bool:
    """Tell a database that cannot be reached, locked, written or waited for from one that refused the data."""
    return isinstance(error, _OUTAGES) and not isinstance(error, _REFUSED_DATA)


@contextmanager
def storage_failures() -> Iterator[None]:
    """Raise StorageUnavailable in place of whatever the drivers say; the cause stays attached for the log."""
    try:
        yield
    except _OUTAGES as error:
        if is_outage(error):
            raise StorageUnavailable from error
        raise
