"""Turning away callers who ask more often than they may."""

import math
from collections.abc import Collection

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.errors import problem_response
from app.core.caller_limits import CallerLimits
from app.core.exceptions import TooManyRequests


class LimitCallers:
    """Turns away callers who ask too often, before anything is read of them."""

    def __init__(self, app: ASGIApp, limits: CallerLimits, exempt: Collection[str]) -> None:
        self._app = app
        self._limits = limits
        self._exempt = frozenset(exempt)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve."""
        if scope["type"] != "http" or scope["path"] in self._exempt:
            await self._app(scope, receive, send)
            return
        client: tuple[str, int] | None = scope.get("client")
        wait_s = self._limits.take(client[0] if client else "")
        if wait_s > 0:
            refusal = TooManyRequests(retry_after_s=math.ceil(wait_s))
            await problem_response(refusal, HTTPConnection(scope))(scope, receive, send)
            return
        await self._app(scope, receive, send)
