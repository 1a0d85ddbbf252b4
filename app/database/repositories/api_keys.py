"""Keys for programs. Whoever may see only their own asks with their own number, and finds nobody else's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import Table, delete, func, select, update
from sqlalchemy.engine import CursorResult

from app.core.exceptions import TooManyKeys
from app.database.connection import Database, Unit, WriteSession
from app.database.models import ApiKey
from app.database.repositories.users import lock_user

TABLE: Final = cast("Table", ApiKey.__table__)
MAX_KEYS: Final = 50
_READ: Final = tuple(column for column in TABLE.columns if column.name != "key_digest")


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKeyRecord:
    """A key without what would open anything."""

    id: int
    user_id: int
    name: str
    prefix: str
    scopes: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKeyPage:
    """Some keys, oldest first, and how many there are in all."""

    total: int
    keys: Sequence[ApiKeyRecord]


class ApiKeyRepository:
    """The only place that knows how keys are stored."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def adding(
        self,
        user_id: int,
        *,
        name: str,
        prefix: str,
        key_digest: str,
        scopes: str,
        created_at: datetime,
        expires_at: datetime | None,
    ) -> Unit[ApiKeyRecord]:
        """
        Return the work that stores a key.

        Raises
        ------
        TooManyKeys
            The account has as many as it may.
        """

        async def unit(session: WriteSession) -> ApiKeyRecord:
            # Two at once must not both find room for the last one.
            await lock_user(session, user_id)
            mine = select(func.count()).select_from(TABLE).where(TABLE.c.user_id == user_id)
            if (await session.execute(mine)).scalar_one() >= MAX_KEYS:
                raise TooManyKeys
            values = {
                "user_id": user_id,
                "name": name,
                "prefix": prefix,
                "key_digest": key_digest,
                "scopes": scopes,
                "created_at": created_at,
                "expires_at": expires_at,
            }
            row = (await session.execute(TABLE.insert().values(values).returning(*_READ))).mappings().one()
            return ApiKeyRecord(**row)

        return unit

    async def find(self, key_digest: str) -> ApiKeyRecord | None:
        """Return the key with this digest."""
        async with self._database.read() as session:
            found = await session.execute(select(*_READ).where(TABLE.c.key_digest == key_digest))
            row = found.mappings().one_or_none()
        return None if row is None else ApiKeyRecord(**row)

    async def page(self, user_id: int, *, limit: int, offset: int) -> ApiKeyPage:
        """Return at most `limit` keys of an account after its `offset` oldest."""
        mine = TABLE.c.user_id == user_id
        oldest = select(*_READ).where(mine).order_by(TABLE.c.id).limit(limit).offset(offset)
        async with self._database.read() as session:
            total = (await session.execute(select(func.count()).select_from(TABLE).where(mine))).scalar_one()
            rows = (await session.execute(oldest)).mappings().all()
        return ApiKeyPage(total=total, keys=[ApiKeyRecord(**row) for row in rows])

    async def note_use(self, key_id: int, now: datetime) -> None:
        """Remember when a key was used."""

        async def unit(session: WriteSession) -> None:
            await session.execute(update(TABLE).where(TABLE.c.id == key_id).values(last_used_at=now))

        await self._database.writes.run(unit, idempotent=True)

    async def delete(self, key_id: int, *, seen_by: int | None) -> bool:
        """
        Delete a key; return whether there was one to be seen.

        Parameters
        ----------
        key_id
            Its number.
        seen_by
            Who asks, and sees only their own; None sees everybody's.
        """

        async def unit(session: WriteSession) -> bool:
            statement = delete(TABLE).where(TABLE.c.id == key_id)
            if seen_by is not None:
                statement = statement.where(TABLE.c.user_id == seen_by)
            return cast("CursorResult[Any]", await session.execute(statement)).rowcount == 1

        return await self._database.writes.run(unit)
