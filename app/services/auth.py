"""Logging in, staying logged in, logging out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from app.core.exceptions import AccountFromSettings, FieldError, InvalidInput, NotAuthenticated, WrongCredentials
from app.core.opaque import REFRESH_PREFIX, digest, new_secret
from app.core.passwords import PasswordRules, normalize_password
from app.core.security import PasswordHasher, TokenSigner
from app.database.repositories.sessions import SessionRepository
from app.database.repositories.users import UserRecord, UserRepository
from app.services.administrator import SettingsAdministrator
from app.services.callers import Caller
from app.services.login_throttle import Attempt, LoginThrottle

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokens:
    """What a login gives: one token for requests, one for the next pair."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)


class AuthService:
    """Exchanges passwords and refresh tokens for tokens.

    Parameters
    ----------
    users, sessions
        Where accounts and sessions are.
    administrator
        The account that the settings describe.
    throttle
        Slows down those who guess.
    signer
        Makes access tokens.
    hasher
        Compares passwords.
    rules
        What new passwords must be like.
    now
        Clock, aware.
    """

    def __init__(
        self,
        *,
        users: UserRepository,
        sessions: SessionRepository,
        administrator: SettingsAdministrator,
        throttle: LoginThrottle,
        signer: TokenSigner,
        hasher: PasswordHasher,
        rules: PasswordRules,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._administrator = administrator
        self._throttle = throttle
        self._signer = signer
        self._hasher = hasher
        self._rules = rules
        self._now = now

    async def login(self, name: str, password: str, address: str) -> Tokens:
        """Begin a session.

        Parameters
        ----------
        name
            User name or e-mail address, in any case of letters.
        password
            As it was typed.
        address
            Where the caller is.

        Raises
        ------
        WrongCredentials
            Without saying whether there is such an account, or whether it is open.
        LoginThrottled
            Too many failures.
        """
        await self._administrator.settle()
        password = normalize_password(password)
        user = await self._users.find_by_login(name)
        attempt = self._throttle.attempt(user_id=user.id if user else None, name=name, address=address)
        await self._throttle.check(attempt)
        # Compared also for a name nobody has, so that the time tells nothing.
        matches = await self._hasher.verify(password, user.password_hash if user else None)
        if user is None or not (matches and user.is_active):
            await self._throttle.fail(attempt)
            raise WrongCredentials
        await self._throttle.succeed(attempt)
        tokens = await self._begin(user)
        await self._strengthen(user, password)
        return tokens

    async def refresh(self, token: str | None) -> Tokens:
        """Exchange a refresh token for the next pair; one that comes back ends its session.

        Raises
        ------
        NotAuthenticated
            No token, one that is not known, used before, or whose time is over.
        """
        if token is None or not token.startswith(REFRESH_PREFIX):
            raise NotAuthenticated
        await self._administrator.settle()
        following = new_secret(REFRESH_PREFIX)
        rotation = await self._sessions.rotate(digest(token), digest(following), self._now())
        if rotation is None:
            raise NotAuthenticated
        if rotation.is_reuse:
            log.warning("refresh_token_reused", user=rotation.user.id, session=rotation.session_id)
            raise NotAuthenticated
        return Tokens(access=self._sign(rotation.user, rotation.session_id), refresh=following)

    async def logout(self, session_id: int) -> None:
        """End a session."""
        await self._sessions.end(session_id)

    async def logout_by_token(self, token: str) -> None:
        """End the session of a refresh token; one that is not known has none."""
        await self._sessions.end_by_token(digest(token))

    async def logout_everywhere(self, caller: Caller) -> None:
        """End all sessions of an account.

        Raises
        ------
        LoginRequired
            A key asks for it.
        """
        caller.require_login()
        await self._users.end_all_sessions(caller.user.id)

    async def change_password(self, caller: Caller, current: str, new: str, address: str) -> Tokens:
        """Exchange a password, end all sessions and begin a new one.

        Raises
        ------
        LoginRequired
            A key asks for it.
        AccountFromSettings
            The settings would change it back.
        InvalidInput
            The current password is wrong, or the new one will not do.
        LoginThrottled
            Too many failures.
        """
        caller.require_login()
        user, new = caller.user, normalize_password(new)
        if user.is_from_settings:
            raise AccountFromSettings
        fault = self._rules.find_fault(new, (user.username, user.email), loc=("body", "new_password"))
        if fault is not None:
            raise InvalidInput(errors=[fault])
        attempt = self._throttle.attempt(user_id=user.id, name=user.username, address=address)
        await self._throttle.check(attempt)
        if not await self._hasher.verify(normalize_password(current), user.password_hash):
            await self._fail(attempt)
        await self._throttle.succeed(attempt)
        changed = await self._users.set_password(user.id, await self._hasher.hash(new), instead_of=user.password_hash)
        if changed is None:  # by somebody else, at the same moment: this session is over
            raise NotAuthenticated
        return await self._begin(changed)

    async def _fail(self, attempt: Attempt) -> None:
        await self._throttle.fail(attempt)
        raise InvalidInput(errors=[FieldError(loc=("body", "current_password"), type="password_wrong")])

    async def _begin(self, user: UserRecord) -> Tokens:
        refresh = new_secret(REFRESH_PREFIX)
        session_id = await self._sessions.begin(user.id, user.token_version, digest(refresh), self._now())
        if session_id is None:  # disabled, or another password, since it was compared
            raise WrongCredentials
        return Tokens(access=self._sign(user, session_id), refresh=refresh)

    def _sign(self, user: UserRecord, session_id: int) -> str:
        return self._signer.issue(
            subject=user.username, role=user.role, version=user.token_version, session_id=session_id
        )

    async def _strengthen(self, user: UserRecord, password: str) -> None:
        """Keep the password as new ones are kept: only now it is known."""
        if self._hasher.is_outdated(user.password_hash):
            after = await self._hasher.hash(password)
            await self._users.rehash(user.id, before=user.password_hash, after=after)
