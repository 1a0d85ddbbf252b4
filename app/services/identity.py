"""From what stands in a request's header to who is calling.

Every request asks the database anew, by keys that are indexed: whoever was disabled, got another role or password, or
logged out is refused at once, by every process.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from app.core.exceptions import NotAuthenticated, StorageUnavailable
from app.core.opaque import API_KEY_PREFIX, digest
from app.core.security import MAX_TOKEN_CHARACTERS, TokenSigner, same_text
from app.database.repositories.api_keys import ApiKeyRecord, ApiKeyRepository
from app.database.repositories.users import UserRecord, UserRepository
from app.services.administrator import SettingsAdministrator
from app.services.callers import Caller

USE_NOTED_EVERY: Final = timedelta(minutes=1)


class IdentityService:
    """Knows callers by access tokens, API keys and the administrator's token.

    Parameters
    ----------
    users, keys
        Where accounts and keys are.
    signer
        Reads access tokens.
    administrator
        The account that the settings describe.
    admin_token
        What stands for it; None where nothing does.
    now
        Clock, aware.
    """

    def __init__(
        self,
        *,
        users: UserRepository,
        keys: ApiKeyRepository,
        signer: TokenSigner,
        administrator: SettingsAdministrator,
        admin_token: str | None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._users = users
        self._keys = keys
        self._signer = signer
        self._administrator = administrator
        self._admin_token = admin_token
        self._now = now

    async def identify(self, token: str | None) -> Caller:
        """Return who holds this token.

        Raises
        ------
        NotAuthenticated
            No token, or none that is valid.
        TokenExpired
            It was valid once.
        StorageUnavailable
            Nobody can be known now.
        """
        if token is None or len(token) > MAX_TOKEN_CHARACTERS:
            raise NotAuthenticated
        if self._admin_token is not None and same_text(token, self._admin_token):
            return await self._by_admin_token()
        if token.startswith(API_KEY_PREFIX):
            return await self._by_key(token)
        return await self._by_access_token(token)

    async def _by_access_token(self, token: str) -> Caller:
        claims = self._signer.read(token)
        await self._administrator.settle()
        user = _active(await self._users.find_by_session(claims.session_id))
        if not (same_text(user.username, claims.sub) and user.token_version == claims.ver):
            raise NotAuthenticated
        return Caller(user=user, session_id=claims.session_id)

    async def _by_key(self, token: str) -> Caller:
        await self._administrator.settle()
        key = await self._keys.find(digest(token))
        if key is None or (key.expires_at is not None and key.expires_at <= self._now()):
            raise NotAuthenticated
        user = _active(await self._users.get(key.user_id, seen_by=None))
        await self._note_use(key)
        return Caller(user=user, scopes=frozenset(key.scopes.split()))

    async def _by_admin_token(self) -> Caller:
        await self._administrator.settle()
        return Caller(user=_active(await self._users.find_from_settings()))

    async def _note_use(self, key: ApiKeyRecord) -> None:
        """Remember the use, to the minute: a write for every request would cost more than most requests."""
        now = self._now()
        if key.last_used_at is not None and now - key.last_used_at < USE_NOTED_EVERY:
            return
        try:
            await self._keys.note_use(key.id, now)
        except StorageUnavailable:
            return  # whoever only reads can go on while nothing can be written


def _active(user: UserRecord | None) -> UserRecord:
    if user is None or not user.is_active:
        raise NotAuthenticated
    return user
