"""Accounts. Whoever may see only their own asks with their own number, and finds nobody else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, cast

from sqlalchemy import Select, Table, delete, func, inspect, select, update
from sqlalchemy.exc import IntegrityError

from app.core.exceptions import AccountExists
from app.core.names import EMAIL_SIGN, is_plain_text, name_key
from app.database.connection import Database, ReadSession, WriteSession
from app.database.models import LoginSession, User

TABLE: Final = cast("Table", User.__table__)
SESSIONS: Final = cast("Table", LoginSession.__table__)
_READ: Final = tuple(column for column in TABLE.columns if not column.name.endswith("_key"))
_RIGHTS: Final = ("role", "is_active")


@dataclass(frozen=True, kw_only=True, slots=True)
class NewUser:
    """An account as it is made."""

    username: str
    email: str | None
    full_name: str | None
    role: str
    is_active: bool
    is_from_settings: bool
    password_hash: str = field(repr=False)
    token_version: int


@dataclass(frozen=True, kw_only=True, slots=True)
class UserRecord(NewUser):
    """An account as it is stored."""

    id: int
    created_at: datetime
    updated_at: datetime
    balance: int


@dataclass(frozen=True, kw_only=True, slots=True)
class UserPage:
    """Some accounts, oldest first, and how many there are in all."""

    total: int
    users: Sequence[UserRecord]


class UserRepository:
    """The only place that knows how accounts are stored."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def is_ready(self) -> bool:
        """Tell whether the table is there, without complaint where a migration has yet to make it."""
        if self._database.file is not None and not self._database.file.exists():
            return False
        async with self._database.read() as session:
            connection = await session.connection()
            return await connection.run_sync(lambda sync: inspect(sync).has_table(TABLE.name))

    async def add(self, user: NewUser) -> UserRecord:
        """
        Store an account.

        Raises
        ------
        AccountExists
            Its name or e-mail address is taken.
        """

        async def unit(session: WriteSession) -> UserRecord:
            return await insert_user(session, user)

        try:
            return await self._database.writes.run(unit)
        except IntegrityError as error:
            raise AccountExists from error

    async def find_by_login(self, name: str) -> UserRecord | None:
        """Return the account that logs in with this name or e-mail address."""
        if not is_plain_text(name):  # no database takes every text
            return None
        key = name_key(name)
        return await self._one(_select().where(_login_column(key) == key))

    async def find_by_name(self, username: str) -> UserRecord | None:
        """Return the account of this name."""
        return await self._one(_select().where(TABLE.c.username_key == name_key(username)))

    async def find_by_session(self, session_id: int) -> UserRecord | None:
        """Return the account that a session belongs to, as long as there is the session."""
        return await self._one(
            _select().join(SESSIONS, SESSIONS.c.user_id == TABLE.c.id).where(SESSIONS.c.id == session_id)
        )

    async def find_from_settings(self) -> UserRecord | None:
        """Return the account that the settings describe."""
        return await self._one(_select().where(TABLE.c.is_from_settings))

    async def get(self, user_id: int, *, seen_by: int | None) -> UserRecord | None:
        """
        Return an account.

        Parameters
        ----------
        user_id
            Its number.
        seen_by
            Who asks, and sees only themselves; None sees everybody.
        """
        return await self._one(_visible(seen_by).where(TABLE.c.id == user_id))

    async def page(self, *, limit: int, offset: int) -> UserPage:
        """Return at most `limit` accounts after the `offset` oldest."""
        oldest = _select().order_by(TABLE.c.id).limit(limit).offset(offset)
        async with self._database.read() as session:
            total = (await session.execute(select(func.count()).select_from(TABLE))).scalar_one()
            rows = (await session.execute(oldest)).mappings().all()
        return UserPage(total=total, users=[UserRecord(**row) for row in rows])

    async def change(self, user_id: int, values: Mapping[str, object], *, seen_by: int | None) -> UserRecord | None:
        """
        Change an account and return it, None where there is none to be seen; other rights end its sessions.

        Raises
        ------
        AccountExists
            The e-mail address is taken.
        """

        async def unit(session: WriteSession) -> UserRecord | None:
            seen = _visible(seen_by).where(TABLE.c.id == user_id).with_for_update()
            row = (await session.execute(seen)).mappings().one_or_none()
            if row is None:
                return None
            if any(name in values and values[name] != row[name] for name in _RIGHTS):
                await end_sessions(session, user_id)
            return await update_user(session, user_id, values)

        try:
            return await self._database.writes.run(unit)
        except IntegrityError as error:
            raise AccountExists from error

    async def set_password(self, user_id: int, password_hash: str, *, instead_of: str | None) -> UserRecord | None:
        """
        Exchange a password, end every session that the one before began, and return the account.

        Parameters
        ----------
        user_id
            Its number.
        password_hash
            What is kept from now on.
        instead_of
            What must be kept now, or nothing is done and None returned; None exchanges anything.
        """

        async def unit(session: WriteSession) -> UserRecord | None:
            kept = select(TABLE.c.password_hash).where(TABLE.c.id == user_id).with_for_update()
            if instead_of is not None and (await session.execute(kept)).scalar_one_or_none() != instead_of:
                return None
            await end_sessions(session, user_id)
            return await update_user(session, user_id, {"password_hash": password_hash})

        return await self._database.writes.run(unit)

    async def rehash(self, user_id: int, *, before: str, after: str) -> None:
        """Keep the same password in a stronger form, unless it was exchanged meanwhile."""

        async def unit(session: WriteSession) -> None:
            same = (TABLE.c.id == user_id) & (TABLE.c.password_hash == before)
            await session.execute(update(TABLE).where(same).values(password_hash=after))

        await self._database.writes.run(unit, idempotent=True)

    async def end_all_sessions(self, user_id: int) -> None:
        """Let no token of an account be valid any more."""

        async def unit(session: WriteSession) -> None:
            await end_sessions(session, user_id)

        await self._database.writes.run(unit)

    async def _one(self, query: Select[Any]) -> UserRecord | None:
        async with self._database.read() as session:
            row = (await session.execute(query)).mappings().one_or_none()
        return None if row is None else UserRecord(**row)


async def read_user(session: ReadSession, user_id: int) -> UserRecord:
    """Return an account that there is, within a transaction."""
    return UserRecord(**(await session.execute(_select().where(TABLE.c.id == user_id))).mappings().one())


async def lock_user(session: WriteSession, user_id: int) -> None:
    """Let nobody else lock this account until the commit; references to it stand in nobody's way."""
    await session.execute(select(TABLE.c.id).where(TABLE.c.id == user_id).with_for_update(key_share=True))


async def insert_user(session: WriteSession, user: NewUser) -> UserRecord:
    """Store an account within a transaction."""
    now = datetime.now(UTC)
    values = {
        **{name: getattr(user, name) for name in NewUser.__slots__},
        "username_key": name_key(user.username),
        "email_key": None if user.email is None else name_key(user.email),
        "created_at": now,
        "updated_at": now,
    }
    row = (await session.execute(TABLE.insert().values(values).returning(*_READ))).mappings().one()
    return UserRecord(**row)


async def update_user(session: WriteSession, user_id: int, values: Mapping[str, object]) -> UserRecord:
    """Change an account within a transaction."""
    changed: dict[str, object] = {**values, "updated_at": datetime.now(UTC)}
    if "email" in values:
        email = values["email"]
        changed["email_key"] = None if email is None else name_key(str(email))
    statement = update(TABLE).where(TABLE.c.id == user_id).values(changed).returning(*_READ)
    return UserRecord(**(await session.execute(statement)).mappings().one())


async def end_sessions(session: WriteSession, user_id: int) -> None:
    """End every session of an account within a transaction, and with the next version every token."""
    version = TABLE.c.token_version + 1
    await session.execute(update(TABLE).where(TABLE.c.id == user_id).values(token_version=version))
    await session.execute(delete(SESSIONS).where(SESSIONS.c.user_id == user_id))


def _login_column(key: str) -> Any:
    return TABLE.c.email_key if EMAIL_SIGN in key else TABLE.c.username_key


def _select() -> Select[Any]:
    return select(*_READ)


def _visible(seen_by: int | None) -> Select[Any]:
    """Begin every query about accounts that somebody asks for."""
    return _select() if seen_by is None else _select().where(TABLE.c.id == seen_by)
