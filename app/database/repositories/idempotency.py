"""Requests that were answered, by the keys their callers gave them.

The key is claimed in the transaction of the work it names, so the two are committed together or not at all. Who comes
with the same key meanwhile waits at the claim, and then finds the answer: there is no moment at which the work is done
and the answer is not known.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, cast

from sqlalchemy import ColumnElement, Table, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app.core.exceptions import IdempotencyKeyReused, InternalError, ServiceError, Unavailable
from app.database.connection import Database, Unit, WriteSession
from app.database.models import IdempotencyKey

TABLE: Final = cast("Table", IdempotencyKey.__table__)
KEPT_FOR: Final = timedelta(hours=24)
_PURGED_AT_ONCE: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyedRequest:
    """What a key stands for: one caller's request to one address."""

    user_id: int
    route: str
    key: str
    #: of all that the request says
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """An answer, as it is sent and as it is kept."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)
    #: what is kept in place of a body that holds a secret
    kept_body: str | None = None
    is_replay: bool = False


Refuse = Callable[[ServiceError], Reply]
"""Writes a refusal as an answer."""


class IdempotencyRepository:
    """The only place that knows how answers are kept."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = sqlite.insert if database.dialect == "sqlite" else postgresql.insert

    async def run(self, work: Unit[Reply]) -> Reply:
        """Do work that nobody gave a key to."""
        return await self._database.writes.run(work)

    async def run_once(self, request: KeyedRequest, work: Unit[Reply], refuse: Refuse, now: datetime) -> Reply:
        """
        Do work and keep its answer, or return the one that was kept.

        What the work refuses is an answer too, although nothing of the work stays; what failed is none.

        Raises
        ------
        IdempotencyKeyReused
            The key stands for another request.
        """

        async def unit(session: WriteSession) -> Reply:
            if not await self._claim(session, request, now):
                return await _replay(session, request)
            reply = await _attempt(session, work, refuse)
            await _keep(session, request, reply)
            return reply

        # Whatever became of a first attempt, the second one finds it: so it may be repeated.
        return await self._database.writes.run(unit, idempotent=True)

    async def _claim(self, session: WriteSession, request: KeyedRequest, now: datetime) -> bool:
        """Take the key, unless it is taken; wait for whoever is just taking it."""
        await session.execute(delete(TABLE).where(_is(request), TABLE.c.expires_at <= now))
        await _purge(session, now)
        values = {
            "user_id": request.user_id,
            "route": request.route,
            "key": request.key,
            "request_digest": request.digest,
            "created_at": now,
            "expires_at": now + KEPT_FOR,
        }
        claim = self._insert(TABLE).values(values).on_conflict_do_nothing().returning(TABLE.c.id)
        return (await session.execute(claim)).first() is not None


async def _attempt(session: WriteSession, work: Unit[Reply], refuse: Refuse) -> Reply:
    try:
        async with session.begin_nested():
            return await work(session)
    except ServiceError as error:
        if error.status >= InternalError.status:
            raise
        return refuse(error)


async def _keep(session: WriteSession, request: KeyedRequest, reply: Reply) -> None:
    kept = reply.body if reply.kept_body is None else reply.kept_body
    values = {"status": reply.status, "headers": json.dumps(dict(reply.headers)), "body": kept}
    await session.execute(update(TABLE).where(_is(request)).values(values))


async def _replay(session: WriteSession, request: KeyedRequest) -> Reply:
    row = (await session.execute(select(TABLE).where(_is(request)))).mappings().one_or_none()
    if row is None:  # it was just forgotten
        raise Unavailable
    if row["request_digest"] != request.digest:
        raise IdempotencyKeyReused
    return Reply(status=row["status"], body=row["body"], headers=json.loads(row["headers"]), is_replay=True)


async def _purge(session: WriteSession, now: datetime) -> None:
    """Forget some of what is over: every new key does, so it does not pile up."""
    over = select(TABLE.c.id).where(TABLE.c.expires_at <= now).order_by(TABLE.c.expires_at)
    some = over.limit(_PURGED_AT_ONCE).with_for_update(skip_locked=True)
    await session.execute(delete(TABLE).where(TABLE.c.id.in_(some)))


def _is(request: KeyedRequest) -> ColumnElement[bool]:
    return (TABLE.c.user_id == request.user_id) & (TABLE.c.route == request.route) & (TABLE.c.key == request.key)
