"""How often a password was wrong."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import Table, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app.database.connection import Database, ReadSession, WriteSession
from app.database.models import LoginFailures

TABLE: Final = cast("Table", LoginFailures.__table__)
_PURGED_AT_ONCE: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What is remembered of one account, address, or account at an address."""

    failures: int
    blocked_until: datetime | None
    is_known: bool
    expires_at: datetime


Standings = Mapping[str, Standing]
Judge = Callable[[Standings], Standings]
"""From what was remembered to what is to be remembered instead."""

_READ: Final = (TABLE.c.bucket, *(TABLE.c[field.name] for field in fields(Standing)))


class LoginFailureRepository:
    """The only place that knows how failures are stored."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, buckets: Collection[str], now: datetime) -> Standings:
        """Return what is remembered, and not to be forgotten by now."""
        async with self._database.read() as session:
            return await _read(session, select(*_READ).where(TABLE.c.bucket.in_(buckets)), now)

    async def judge(self, buckets: Collection[str], judge: Judge, now: datetime) -> None:
        """Replace what is remembered, with nobody else changing it meanwhile."""
        insert = sqlite.insert if self._database.dialect == "sqlite" else postgresql.insert
        blank = {"failures": 0, "blocked_until": None, "is_known": False, "expires_at": now}

        async def unit(session: WriteSession) -> None:
            rows = [
                {"bucket": bucket, **blank} for bucket in sorted(buckets)
            ]  # one order, so that nobody waits in a ring
            await session.execute(insert(TABLE).on_conflict_do_nothing(), rows)
            locked = select(*_READ).where(TABLE.c.bucket.in_(buckets)).order_by(TABLE.c.bucket).with_for_update()
            for bucket, standing in judge(await _read(session, locked, now)).items():
                values = {field.name: getattr(standing, field.name) for field in fields(Standing)}
                await session.execute(update(TABLE).where(TABLE.c.bucket == bucket).values(values))
            await _purge(session, now)

        await self._database.writes.run(unit)


async def _read(session: ReadSession, query: Any, now: datetime) -> Standings:
    rows = (await session.execute(query)).mappings().all()
    standings = {row["bucket"]: Standing(**{name: row[name] for name in row if name != "bucket"}) for row in rows}
    return {bucket: standing for bucket, standing in standings.items() if standing.expires_at > now}


async def _purge(session: WriteSession, now: datetime) -> None:
    """Forget some of what is over: every failure does, so it does not pile up."""
    over = select(TABLE.c.bucket).where(TABLE.c.expires_at < now).order_by(TABLE.c.expires_at)
    some = over.limit(_PURGED_AT_ONCE).with_for_update(skip_locked=True)
    await session.execute(delete(TABLE).where(TABLE.c.bucket.in_(some)))
