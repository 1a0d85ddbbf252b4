"""What every request passes: an id, timing, security headers, one log line, and a net under all errors.

Pure ASGI. The net is the innermost, inside the server's own: an exception that reached the server would be answered
by it, without these headers, and would drop the keep-alive connection under the caller's next request.
"""

import asyncio
import random
import re
import time
from collections.abc import Collection, Iterable
from typing import Final

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.direct import ROUTE_TEMPLATE
from app.api.errors import problem_response
from app.core.constants import API_PREFIX, PROBES
from app.core.exceptions import BodyTooLarge, InternalError, ShuttingDown
from app.core.logging import code_places

log = structlog.get_logger(__name__)

_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_SERVER_ERROR: Final = 500

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""On every answer, unless the endpoint says otherwise: almost everything here is about a patient."""
HSTS: Final = (b"strict-transport-security", b"max-age=31536000")
ENCODED_SECURITY_HEADERS: Final = tuple(
    (name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()
)


class RequestContext:
    """Gives a request its id, and its answer the headers all answers have."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s = time.perf_counter()
        state = scope.setdefault("state", {})
        state["request_id"] = request_id = choose_request_id(scope["headers"])
        timings: dict[str, float] = {}
        state["timings"] = timings
        status = _SERVER_ERROR

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = message.get("headers", ())
                names = {name for name, _ in given}
                message["headers"] = [
                    *given,
                    (b"x-request-id", request_id.encode()),
                    (b"server-timing", _server_timing(timings, started_s).encode()),
                    *(field for field in ENCODED_SECURITY_HEADERS if field[0] not in names),
                    *([HSTS] if scope.get("scheme") == "https" else ()),
                ]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_headers)
            finally:
                _log_request(scope, status, started_s)


class HeadAsGet:
    """Answers HEAD wherever GET is answered: the same, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        # A copy: the server must go on seeing HEAD, or it would miss the body.
        as_get = {**scope, "method": "GET"}
        try:
            await self._app(as_get, receive, send_without_body)
        finally:
            scope["route"] = as_get.get("route")  # for the access log


class CatchAll:
    """Turns whatever nobody expected into a 500 of our form."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except asyncio.CancelledError:  # the process ends, and this request has outlived its grace
            if started:
                raise
            await problem_response(ShuttingDown(), HTTPConnection(scope))(scope, receive, send)
        except Exception as error:
            # Not log.exception: what an exception says, and what its frames hold, may be a patient's.
            log.error("unexpected_error", error=type(error).__name__, places=code_places(error.__traceback__))  # noqa: TRY400
            if started:  # half an answer cannot be taken back: the server must break the connection off
                raise
            await problem_response(InternalError(), HTTPConnection(scope))(scope, receive, send)


class LimitBodies:
    """Caps bodies that the framework reads; addresses that take ECGs read theirs themselves, under caps of their own.

    The framework has such limits, but answers a declared size in plain text and past all other middleware.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, exempt: Collection[str], exempt_below: str) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._exempt = frozenset(exempt)
        self._exempt_below = exempt_below

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve."""
        if scope["type"] != "http" or self._is_exempt(scope["path"]):
            await self._app(scope, receive, send)
            return
        declared = HTTPConnection(scope).headers.get("content-length", "")
        is_declared_too_large = declared.isdecimal() and int(declared) > self._max_bytes
        received = 0

        async def receive_counted() -> Message:
            """Refuse when somebody asks for the body, and not before: at an address that does not exist nobody does."""
            nonlocal received
            message = {} if is_declared_too_large else await receive()
            received += len(message.get("body", b""))
            if is_declared_too_large or received > self._max_bytes:
                raise HTTPException(BodyTooLarge.status)  # the framework turns any other error into a 400
            return message

        await self._app(scope, receive_counted, send)

    def _is_exempt(self, path: str) -> bool:
        return path in self._exempt or path.startswith(self._exempt_below)


def choose_request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the caller's id if it is a sane one, else a new one: it must be unique, but need not be secret."""
    offered = next((value for name, value in headers if name == b"x-request-id"), b"")
    if _SANE_ID.fullmatch(offered):
        return offered.decode("ascii")
    return f"{random.getrandbits(128):032x}"


def _server_timing(timings: dict[str, float], started_s: float) -> str:
    total_ms = 1000 * (time.perf_counter() - started_s)
    return ", ".join(f"{name};dur={value:.2f}" for name, value in {**timings, "total": total_ms}.items())


def _log_request(scope: Scope, status: int, started_s: float) -> None:
    """Write the access log: the route's template, never the path or the query, which a caller fills."""
    route = _route_template(scope)
    write = log.debug if route in PROBES else log.info
    write(
        "request",
        method=scope["method"],
        route=route,
        status=status,
        duration_ms=round(1000 * (time.perf_counter() - started_s), 2),
    )


def _route_template(scope: Scope) -> str | None:
    """Return the matched route as it was written, None where nothing matched."""
    if direct := scope["state"].get(ROUTE_TEMPLATE):
        return str(direct)
    template: str | None = getattr(scope.get("route"), "path", None)
    if template is None or template.startswith(API_PREFIX) or not scope["path"].startswith(f"{API_PREFIX}/"):
        return template
    return API_PREFIX + template  # routes of an included router know only their part
