"""The short way to the busiest addresses.

The framework's router and its dependency injection cost as much as reading an ECG. So these addresses are looked up in
a table and their functions are given the request itself; the router knows the same functions, for the API's schema.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.errors import problem_response
from app.core.exceptions import ServiceError

Handler = Callable[[Request], Awaitable[Response]]

ROUTE_TEMPLATE: Final = "route_template"
"""Where the access log finds the address of a request that did not pass the router."""


class DirectRoutes:
    """Answers the addresses of the table itself, and hands everything else on."""

    def __init__(self, app: ASGIApp, routes: Mapping[tuple[str, str], Handler]) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve."""
        handler = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if handler is None:
            await self._app(scope, receive, send)
            return
        scope["state"][ROUTE_TEMPLATE] = scope["path"]
        request = Request(scope, receive)
        try:
            response = await handler(request)
        except ServiceError as error:
            response = problem_response(error, request)
        await response(scope, receive, send)
