"""Runs the migrations: `uv run alembic upgrade head`, or within a connection that the service hands over."""

import asyncio
from logging.config import fileConfig

from sqlalchemy import Connection, text

from alembic import context
from app.core.config import Settings
from app.database.address import parse
from app.database.engines import migration_engine
from app.database.models import Base

# Any constant: whoever migrates a PostgreSQL database holds this lock. SQLite's engine holds the write lock.
ADVISORY_LOCK = 0x45434753


def migrate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        transactional_ddl=True,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


async def migrate_by_settings() -> None:
    engine = migration_engine(parse(Settings().database_url))
    try:
        async with engine.begin() as connection:
            await connection.run_sync(migrate)
    finally:
        await engine.dispose()


def print_statements() -> None:
    """Write what would run, for somebody who runs it by hand: `alembic upgrade head --sql`."""
    context.configure(
        url=parse(Settings().database_url).render_as_string(),
        target_metadata=Base.metadata,
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
    )
    with context.begin_transaction():
        context.run_migrations()


handed_over: Connection | None = context.config.attributes.get("connection")
if context.is_offline_mode():
    print_statements()
elif handed_over is not None:
    migrate(handed_over)
else:
    if context.config.config_file_name is not None:
        fileConfig(context.config.config_file_name, disable_existing_loggers=False)
    asyncio.run(migrate_by_settings())
