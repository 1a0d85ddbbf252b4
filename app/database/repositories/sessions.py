"""Sessions and the refresh tokens they live on."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import Table, delete, select, update
from sqlalchemy.engine import CursorResult

from app.database.connection import Database, WriteSession
from app.database.models import RefreshToken
from app.database.repositories.users import SESSIONS, UserRecord, read_user
from app.database.repositories.users import TABLE as USERS

TOKENS: Final = cast("Table", RefreshToken.__table__)
_PURGED_AT_ONCE: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Lifetimes:
    """How long a session lives: while it is not used, and in all."""

    idle: timedelta
    longest: timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class Rotation:
    """What came of a refresh token that was presented.

    Attributes
    ----------
    is_reuse
        It had been used before: whoever holds the next one may be a thief, so the session was ended.
    """

    user: UserRecord
    session_id: int
    is_reuse: bool


class SessionRepository:
    """The only place that knows how sessions are stored."""

    def __init__(self, database: Database, lifetimes: Lifetimes) -> None:
        self._database = database
        self._lifetimes = lifetimes

    async def begin(self, user_id: int, token_version: int, token_digest: str, now: datetime) -> int | None:
        """Begin a session and return its number; None where the account has changed since its password was compared."""

        async def unit(session: WriteSession) -> int | None:
            unchanged = (USERS.c.id == user_id) & (USERS.c.token_version == token_version) & USERS.c.is_active
            if (await session.execute(select(USERS.c.id).where(unchanged).with_for_update(read=True))).first() is None:
                return None
            await self._purge(session, now)
            ends = now + self._lifetimes.longest
            values = {
                "user_id": user_id,
                "created_at": now,
                "expires_at": ends,
                "idle_expires_at": min(ends, now + self._lifetimes.idle),
            }
            number = (await session.execute(SESSIONS.insert().values(values).returning(SESSIONS.c.id))).scalar_one()
            await session.execute(TOKENS.insert().values(token_digest=token_digest, session_id=number))
            return int(number)

        return await self._database.writes.run(unit)

    async def rotate(self, token_digest: str, next_digest: str, now: datetime) -> Rotation | None:
        """Exchange a refresh token for the next one; None for one that is not known, or whose time is over."""

        async def unit(session: WriteSession) -> Rotation | None:
            # The session is locked first, and its token looked at in a statement of its own: only that one sees what
            # another transaction did to it while this one waited for the lock.
            held = select(SESSIONS).join(TOKENS, TOKENS.c.session_id == SESSIONS.c.id)
            query = held.where(TOKENS.c.token_digest == token_digest).with_for_update(of=SESSIONS)
            row = (await session.execute(query)).mappings().one_or_none()
            if row is None:
                return None
            is_first = row["idle_expires_at"] > now and await _use(session, token_digest, now)
            if is_first:
                prolonged = min(row["expires_at"], now + self._lifetimes.idle)
                await _prolong(session, row["id"], next_digest, prolonged)
            else:
                await _end(session, row["id"])
            if row["idle_expires_at"] <= now:
                return None
            # Read here, not afterwards: by then somebody else's use of the same token may have ended the session.
            user = await read_user(session, row["user_id"])
            return Rotation(user=user, session_id=row["id"], is_reuse=not is_first)

        return await self._database.writes.run(unit)

    async def end(self, session_id: int) -> None:
        """End a session: its refresh tokens are forgotten, its access tokens not valid any more."""

        async def unit(session: WriteSession) -> None:
            await _end(session, session_id)

        await self._database.writes.run(unit, idempotent=True)

    async def end_by_token(self, token_digest: str) -> None:
        """End the session of a refresh token, where it has one."""

        async def unit(session: WriteSession) -> None:
            its = select(TOKENS.c.session_id).where(TOKENS.c.token_digest == token_digest)
            await session.execute(delete(SESSIONS).where(SESSIONS.c.id.in_(its)))

        await self._database.writes.run(unit, idempotent=True)

    async def _purge(self, session: WriteSession, now: datetime) -> None:
        """Forget some sessions whose time is over: every login does, so they do not pile up."""
        over = select(SESSIONS.c.id).where(SESSIONS.c.idle_expires_at <= now).order_by(SESSIONS.c.idle_expires_at)
        some = over.limit(_PURGED_AT_ONCE).with_for_update(skip_locked=True)
        await session.execute(delete(SESSIONS).where(SESSIONS.c.id.in_(some)))


async def _use(session: WriteSession, token_digest: str, now: datetime) -> bool:
    """Mark a token as used; return whether it was not before."""
    unused = (TOKENS.c.token_digest == token_digest) & TOKENS.c.used_at.is_(None)
    result = cast("CursorResult[Any]", await session.execute(update(TOKENS).where(unused).values(used_at=now)))
    return result.rowcount == 1


async def _prolong(session: WriteSession, session_id: int, next_digest: str, until: datetime) -> None:
    await session.execute(TOKENS.insert().values(token_digest=next_digest, session_id=session_id))
    await session.execute(update(SESSIONS).where(SESSIONS.c.id == session_id).values(idle_expires_at=until))


async def _end(session: WriteSession, session_id: int) -> None:
    await session.execute(delete(SESSIONS).where(SESSIONS.c.id == session_id))
