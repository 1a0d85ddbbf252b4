"""Keys with which programs act for somebody."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from app.core.constants import Scope
from app.core.exceptions import FieldError, InvalidInput, NotFound
from app.core.names import is_plain_text
from app.core.opaque import API_KEY_PREFIX, SHOWN_CHARACTERS, digest, new_secret
from app.database.connection import Unit, WriteSession
from app.database.repositories.api_keys import ApiKeyPage, ApiKeyRecord, ApiKeyRepository
from app.services.callers import Caller


@dataclass(frozen=True, kw_only=True, slots=True)
class FreshKey:
    """A key at the only moment at which it can be read."""

    record: ApiKeyRecord
    key: str = field(repr=False)


class ApiKeyService:
    """Makes keys, lists them and takes them back.

    Parameters
    ----------
    keys
        Where their digests are.
    now
        Clock, aware.
    """

    def __init__(self, keys: ApiKeyRepository, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._keys = keys
        self._now = now

    def create(
        self, caller: Caller, *, name: str, scopes: Collection[Scope], lifetime: timedelta | None
    ) -> Unit[FreshKey]:
        """Decide whether the caller may have such a key; return the work that makes it.

        The work raises TooManyKeys where there are too many already.

        Raises
        ------
        LoginRequired
            A key asks for it.
        InvalidInput
            The name will not do, or the scope is administrators'.
        """
        caller.require_login()
        faults = []
        if not is_plain_text(name):
            faults.append(FieldError(loc=("body", "name"), type="text_not_plain"))
        if Scope.ADMIN in scopes and not caller.is_admin:
            faults.append(FieldError(loc=("body", "scopes"), type="scope_not_yours"))
        if faults:
            raise InvalidInput(errors=faults)
        key, now = new_secret(API_KEY_PREFIX), self._now()
        store = self._keys.adding(
            caller.user.id,
            name=name,
            prefix=key[:SHOWN_CHARACTERS],
            key_digest=digest(key),
            scopes=" ".join(scope for scope in Scope if scope in scopes),
            created_at=now,
            expires_at=None if lifetime is None else now + lifetime,
        )

        async def unit(session: WriteSession) -> FreshKey:
            return FreshKey(record=await store(session), key=key)

        return unit

    async def page(self, caller: Caller, *, limit: int, offset: int) -> ApiKeyPage:
        """Return the caller's keys, oldest first.

        Raises
        ------
        LoginRequired
            A key asks for it.
        """
        caller.require_login()
        return await self._keys.page(caller.user.id, limit=limit, offset=offset)

    async def delete(self, key_id: int, caller: Caller) -> None:
        """Take a key back; it is refused from the next request on.

        Raises
        ------
        LoginRequired
            A key asks for it.
        NotFound
            There is none, or it is somebody else's.
        """
        caller.require_login()
        if not await self._keys.delete(key_id, seen_by=caller.sees):
            raise NotFound
