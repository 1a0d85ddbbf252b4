"""Reading DATABASE_URL."""

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}


def parse(url: str) -> URL:
    """Return the address with the driver this service uses.

    Raises
    ------
    ValueError
        For another database, and for SQLite in memory, where readers could not see what the writer wrote.
    """
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        # What SQLAlchemy says may quote the address, and with it the password.
        raise ValueError("this is not an address of a database") from None
    driver = _DRIVERS.get(address.drivername)
    if driver is None:
        message = f"{address.drivername} is not supported: DATABASE_URL names sqlite+aiosqlite or postgresql+asyncpg"
        raise ValueError(message)
    address = address.set(drivername=driver)
    if is_sqlite(address) and address.database in {None, "", ":memory:"}:
        message = "SQLite in memory is not supported: DATABASE_URL names a file"
        raise ValueError(message)
    return address


def is_sqlite(address: URL) -> bool:
    """Tell SQLite from PostgreSQL."""
    return address.get_backend_name() == "sqlite"


def sqlite_file(address: URL) -> Path:
    """Return the absolute path of the SQLite file."""
    return Path(address.database or "").absolute()
