"""Tokens and passwords: the only file that knows python-jose and passlib.

Both libraries forgive too much by themselves, so every door is narrowed here: a token is at most 4 KB of canonical
base64url, its header is exactly ours, its claims are exactly ours, and whatever the library raises means "not valid".
"""

import asyncio
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, ParamSpec, TypeVar

from jose import jwk, jwt
from jose.utils import base64url_decode, base64url_encode
from passlib.exc import PasswordSizeError, PasswordValueError
from passlib.hash import argon2
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.core.exceptions import NotAuthenticated, Overloaded, TokenExpired

P = ParamSpec("P")
R = TypeVar("R")

ALGORITHM: Final = "HS256"
MAX_TOKEN_CHARACTERS: Final = 4096
MAX_CLOCK_SKEW_S: Final = 60
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_HEADER: Final = {"alg": ALGORITHM, "typ": "JWT"}
_SESSION_END: Final = "."

_NOBODYS_HASH: Final = (
    "$argon2id$v=19$m=19456,t=2,p=1$BQAAwFiLsVbK2XsvBQAgxA$DLTcHyqxZhmFvYWdn6ablmLscAd/JisIZs3suMdJpjU"
)
"""Of random bytes that nobody kept: compared with where there is no account, so that the time tells nothing."""
_HASHES_AT_ONCE: Final = 2
_LOGINS_WAITING: Final = 32


class Claims(BaseModel):
    """What a valid token says."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    sub: str = Field(min_length=1, max_length=64)
    role: str = Field(min_length=1, max_length=32)
    exp: int
    iat: int
    jti: str = Field(max_length=64, pattern=rf"^[1-9][0-9]{{0,17}}\{_SESSION_END}[A-Za-z0-9_-]{{16,}}$")
    typ: Literal["access"]
    ver: int

    @property
    def session_id(self) -> int:
        """Number of the session that the token belongs to: the first part of its id."""
        return int(self.jti.partition(_SESSION_END)[0])


class TokenSigner:
    """Issues and reads access tokens.

    Parameters
    ----------
    secret
        Key of the HMAC, at least one byte.
    lifetime
        How long a token is valid.
    now
        Clock, aware.
    """

    def __init__(
        self, secret: str, lifetime: timedelta, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        if not secret:
            raise ValueError("an empty key signs nothing")
        # A key object: given a string, the library would try to read it as JSON first.
        self._key = jwk.construct(secret, ALGORITHM)
        self._lifetime = lifetime
        self._now = now

    def issue(self, *, subject: str, role: str, version: int, session_id: int) -> str:
        """Sign a token for `subject`."""
        issued = self._now()
        claims = {
            "sub": subject,
            "role": role,
            "exp": int((issued + self._lifetime).timestamp()),
            "iat": int(issued.timestamp()),
            "jti": f"{session_id}{_SESSION_END}{secrets.token_urlsafe(16)}",
            "typ": "access",
            "ver": version,
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM)

    def read(self, token: str) -> Claims:
        """Return the claims of a valid token.

        Raises
        ------
        TokenExpired
            One of ours whose time is over.
        NotAuthenticated
            Anything else.
        """
        if len(token) > MAX_TOKEN_CHARACTERS or not _TOKEN.fullmatch(token) or not _is_canonical(token):
            raise NotAuthenticated
        try:
            header = jwt.get_unverified_header(token)
            # Time is compared below, on our own clock: the library would read "exp": "1e3" and overflow on others.
            payload = jwt.decode(token, self._key, algorithms=[ALGORITHM], options={"verify_exp": False})
        except Exception as error:  # the library leaks RecursionError, OverflowError, TypeError and more
            raise NotAuthenticated from error
        if header != _HEADER:
            raise NotAuthenticated
        return self._check(payload)

    def _check(self, payload: dict[str, Any]) -> Claims:
        now_s = self._now().timestamp()
        expires_s = payload.get("exp")
        if type(expires_s) is int and expires_s <= now_s:
            raise TokenExpired
        try:
            claims = Claims.model_validate(payload)
        except ValidationError as error:
            raise NotAuthenticated from error
        if claims.iat > now_s + MAX_CLOCK_SKEW_S:
            raise NotAuthenticated
        return claims


def _is_canonical(token: str) -> bool:
    """Refuse the spellings of one signature that differ in bits base64 throws away."""
    signature = token.rpartition(".")[2].encode()
    try:
        return bool(base64url_encode(base64url_decode(signature)) == signature)
    except ValueError:
        return False


class PasswordHasher:
    """Argon2id with OWASP's parameters, in threads and few at a time.

    One hash takes 19 MiB and some 50 ms; without the limit a flood of logins takes the memory and the event loop.
    """

    def __init__(self, *, hashes_at_once: int = _HASHES_AT_ONCE, waiting: int = _LOGINS_WAITING) -> None:
        self._scheme = argon2.using(  # type: ignore[no-untyped-call]  # the stubs leave it bare
            type="ID", memory_cost=19456, time_cost=2, parallelism=1
        )
        self._slots = asyncio.Semaphore(hashes_at_once)
        self._waiting = 0
        self._max_waiting = waiting

    async def hash(self, password: str) -> str:
        """Hash a password for keeping.

        Raises
        ------
        Overloaded
            Too many are waiting.
        """
        return await self._run(self._scheme.hash, password)

    def is_outdated(self, stored: str) -> bool:
        """Tell whether a kept hash is of weaker parameters than a new one would be."""
        return bool(self._scheme.needs_update(stored))

    async def verify(self, password: str, stored: str | None) -> bool:
        """Compare a password with a kept hash; without one it takes as long, and the answer is no.

        Raises
        ------
        Overloaded
            Too many are waiting.
        """
        matches = await self._run(self._verify, password, stored or _NOBODYS_HASH)
        return matches and stored is not None

    def _verify(self, password: str, stored: str) -> bool:
        try:
            return bool(self._scheme.verify(password, stored))
        except (PasswordSizeError, PasswordValueError):
            return False

    async def _run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        if self._waiting >= self._max_waiting:
            raise Overloaded
        self._waiting += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(function, *args, **kwargs)
        finally:
            self._waiting -= 1


def same_text(left: str, right: str) -> bool:
    """Compare in a time that does not depend on where the texts differ."""
    return hmac.compare_digest(left.encode(), right.encode())


def keyed_digest(secret: str, *parts: str) -> str:
    """Return what only the holder of the key could tell from another text's digest."""
    text = json.dumps(parts, ensure_ascii=True).encode()
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def first_token_version() -> int:
    """Draw the number that a new account's tokens bear, so that none of an earlier account of its name is valid."""
    return secrets.randbelow(2**31)
