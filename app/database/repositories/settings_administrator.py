"""The account whose name, password and rights are those of the settings."""

from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from app.core.constants import Role
from app.core.names import EMAIL_SIGN, name_key
from app.core.security import first_token_version
from app.database.connection import Database, WriteSession
from app.database.repositories.api_keys import TABLE as KEYS
from app.database.repositories.users import TABLE, NewUser, end_sessions, insert_user, update_user

_RIGHTS: Final = {"role": Role.ADMIN.value, "is_active": True, "is_from_settings": True}


class SettingsAdministratorRepository:
    """The only place that knows how that account is stored."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, username: str, password_hash: str, *, instead_of: str | None) -> bool:
        """
        Make the account of this name the administrator of the settings, whoever it was before.

        Parameters
        ----------
        username
            As the settings write it.
        password_hash
            What is to be kept.
        instead_of
            The hash that is kept now, None where there is no such account.

        Returns
        -------
        Whether it was done: another process may have been first.
        """

        async def unit(session: WriteSession) -> bool:
            await _retire_others(session, username)
            mine = select(TABLE).where(TABLE.c.username_key == name_key(username)).with_for_update()
            row = (await session.execute(mine)).mappings().one_or_none()
            if (row["password_hash"] if row else None) != instead_of:
                return False
            if row is None:
                await insert_user(session, _as_new(username, password_hash))
                return True
            await end_sessions(session, row["id"])
            if not row[
                "is_from_settings"
            ]:  # what somebody else made for themselves must not become the administrator's
                await session.execute(delete(KEYS).where(KEYS.c.user_id == row["id"]))
            await update_user(session, row["id"], {**_RIGHTS, "username": username, "password_hash": password_hash})
            return True

        try:
            return await self._database.writes.run(unit)
        except IntegrityError:
            return False


async def _retire_others(session: WriteSession, username: str) -> None:
    """Close the account of an earlier setting, and free the address that is now the administrator's name."""
    key = name_key(username)
    stale = TABLE.c.is_from_settings & (TABLE.c.username_key != key)
    for number in (await session.execute(select(TABLE.c.id).where(stale).with_for_update())).scalars().all():
        await end_sessions(session, number)
        await update_user(session, number, {"is_active": False, "is_from_settings": False})
    if EMAIL_SIGN in key:
        borrowed = (TABLE.c.email_key == key) & (TABLE.c.username_key != key)
        await session.execute(update(TABLE).where(borrowed).values(email=None, email_key=None))


def _as_new(username: str, password_hash: str) -> NewUser:
    return NewUser(
        username=username,
        email=username if EMAIL_SIGN in name_key(username) else None,
        full_name=None,
        role=Role.ADMIN.value,
        is_active=True,
        is_from_settings=True,
        password_hash=password_hash,
        token_version=first_token_version(),
    )
