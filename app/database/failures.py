"""What counts as "the database is not there": one place turns all of it into one error."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import structlog
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.core.exceptions import StorageUnavailable

log = structlog.get_logger(__name__)

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


def log_outage(error: BaseException) -> None:
    """Leave the reason in the log: the drivers' short texts, and where a text may quote values only its class."""
    log.warning("storage_unavailable", reason=_reason(error))


def _reason(error: BaseException) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if isinstance(cause, sqlite3.Error):
        return str(cause)
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    # What PostgreSQL says may quote a row; the code of the state says enough.
    state = getattr(cause, "sqlstate", None)
    return f"{type(cause).__name__} {state}" if state else type(cause).__name__


@contextmanager
def storage_failures() -> Iterator[None]:
    """Raise StorageUnavailable in place of whatever the drivers say; the log has the reason."""
    try:
        yield
    except _OUTAGES as error:
        if is_outage(error):
            log_outage(error)
            raise StorageUnavailable from error
        raise
