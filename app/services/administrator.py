"""The administrator whom the settings describe."""

import asyncio
from contextlib import suppress
from typing import Final

import structlog

from app.core.constants import Role
from app.core.exceptions import Overloaded, StorageUnavailable
from app.core.names import name_key
from app.core.passwords import normalize_password
from app.core.security import PasswordHasher
from app.database.repositories.settings_administrator import SettingsAdministratorRepository
from app.database.repositories.users import UserRecord, UserRepository

log = structlog.get_logger(__name__)

RETRY_S: Final = 0.5
MAX_RETRY_S: Final = 30.0
_ATTEMPTS: Final = 10


class SettingsAdministrator:
    """Sees to it that the account exists and has the password of the settings, before anybody's rights are looked at.

    Parameters
    ----------
    username, password
        As the settings write them.
    users, repository
        Where accounts are.
    hasher
        Compares passwords.
    """

    def __init__(
        self,
        *,
        username: str,
        password: str,
        users: UserRepository,
        repository: SettingsAdministratorRepository,
        hasher: PasswordHasher,
    ) -> None:
        self._username = username
        self._password = normalize_password(password)
        self._users = users
        self._repository = repository
        self._hasher = hasher
        #: whether it was done
        self.is_settled = False
        self._turn = asyncio.Lock()

    async def settle(self) -> None:
        """Make the account what the settings say, once.

        Raises
        ------
        StorageUnavailable
            The database cannot be reached, or was not migrated yet: nobody can be known before.
        """
        if not self.is_settled:
            async with self._turn:
                await self._settle_once()

    async def settle_when_possible(self) -> None:
        """Settle as soon as the database is there; another process may be migrating it."""
        wait_s = RETRY_S
        while not self.is_settled:
            await asyncio.sleep(wait_s)
            wait_s = min(MAX_RETRY_S, 2 * wait_s)
            with suppress(StorageUnavailable, Overloaded):  # whoever needs it before tries by themselves
                await self.settle()

    async def _settle_once(self) -> None:
        if self.is_settled:  # whoever had the turn before did it
            return
        if not await self._users.is_ready():
            raise StorageUnavailable
        await self._put()
        self.is_settled = True

    async def _put(self) -> None:
        for _ in range(_ATTEMPTS):  # several processes start at once, and one of them is first
            current = await self._users.find_from_settings()
            if current is not None and await self._is_as_set(current):
                return
            namesake = await self._users.find_by_name(self._username)
            before = namesake.password_hash if namesake else None
            if await self._repository.put(self._username, await self._hasher.hash(self._password), instead_of=before):
                log.info("administrator_set_from_settings")
                return
        raise StorageUnavailable

    async def _is_as_set(self, user: UserRecord) -> bool:
        is_same = name_key(user.username) == name_key(self._username)
        may_act = user.role == Role.ADMIN and user.is_active
        return is_same and may_act and await self._hasher.verify(self._password, user.password_hash)
