"""What the head of a request says before its body is read: how long its caller waits, and what it wants to be told."""

import time
from collections.abc import Sequence
from typing import Final

from starlette.requests import Request

from app.core.exceptions import FieldError, InvalidInput
from app.ml.engine import Patience

TIMEOUT_HEADER: Final = "x-request-timeout-ms"
MAX_TIMEOUT_MS: Final = 600_000
_TRUE: Final = frozenset({"true", "1", "yes", "on", "y", "t"})
_FALSE: Final = frozenset({"false", "0", "no", "off", "n", "f"})
IS_CONNECTED: Final = "is_connected"
"""Where the server tells, in the request's state, whether the caller still listens."""


def read_patience(request: Request) -> Patience:
    """Return how long the answer is worth computing.

    Raises
    ------
    InvalidInput
        The header with the caller's deadline holds no number of milliseconds, or a larger one than is kept to.
    """
    is_wanted = request.scope["state"].get(IS_CONNECTED, Patience().is_wanted)
    stated = request.headers.get(TIMEOUT_HEADER)
    if stated is None:
        return Patience(is_wanted=is_wanted)
    if not (stated.isascii() and stated.isdecimal() and len(stated) <= len(str(MAX_TIMEOUT_MS))):
        raise InvalidInput(errors=[FieldError(loc=("header", TIMEOUT_HEADER), type="integer_expected")])
    timeout_ms = int(stated)
    if timeout_ms > MAX_TIMEOUT_MS:
        limit = {"limit": f"{MAX_TIMEOUT_MS}"}
        raise InvalidInput(errors=[FieldError(loc=("header", TIMEOUT_HEADER), type="too_large", params=limit)])
    return Patience(deadline_s=time.perf_counter() + timeout_ms / 1000, is_wanted=is_wanted)


def read_flag(query: Sequence[tuple[str, str]], name: str) -> bool:
    """Return a switch of the query, off where it is not given.

    Raises
    ------
    InvalidInput
        It is neither on nor off.
    """
    stated = [value for key, value in query if key == name]
    if not stated:
        return False
    value = stated[-1].strip().lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise InvalidInput(errors=[FieldError(loc=("query", name), type="boolean_expected")])
