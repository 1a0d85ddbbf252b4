"""The HTTP parser with the limits a public port needs: how long headers and bodies may take, how large headers may be.

Without them a caller who sends half a header holds a connection for ever, and a header of megabytes is collected in
memory. Builds on the class of the pinned uvicorn; the tests of these limits are the alarm for its upgrades.
"""

import asyncio
import json
import secrets
from http import HTTPStatus
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

MAX_HEADER_BYTES: Final = 32 * 1024
HEADER_DEADLINE_S: Final = 10.0
BODY_IDLE_DEADLINE_S: Final = 10.0

_TOO_SLOW: Final = HTTPStatus.REQUEST_TIMEOUT
_TOO_LARGE: Final = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


def _problem(status: HTTPStatus) -> bytes:
    """Write a whole answer: no application has seen the request, so the form of its errors is made here."""
    body = json.dumps({"type": "about:blank", "title": status.phrase, "status": status.value}).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "content-type: application/problem+json\r\n"
        f"content-length: {len(body)}\r\n"
        f"x-request-id: {secrets.token_hex(16)}\r\n"
        "x-content-type-options: nosniff\r\n"
        "cache-control: no-store\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._deadline: asyncio.TimerHandle | None = None
        self._reading_headers = True
        self._header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        """Give the first request its deadline."""
        super().connection_made(transport)
        self._expect_within(HEADER_DEADLINE_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._expect_nothing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to headers, before and after parsing it."""
        super().data_received(data)
        if self._reading_headers:
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER_BYTES:
                self._refuse(_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Give a request on a kept connection its deadline."""
        super().on_message_begin()
        self._reading_headers = True
        self._header_bytes = 0
        self._expect_within(HEADER_DEADLINE_S)

    def on_headers_complete(self) -> None:
        """Refuse headers that came in one piece and are too large; else wait for the body."""
        self._reading_headers = False
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEADER_BYTES:
            self._refuse(_TOO_LARGE)
            return
        self._expect_within(BODY_IDLE_DEADLINE_S)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Wait for the next piece."""
        if not self.transport.is_closing():
            self._expect_within(BODY_IDLE_DEADLINE_S)
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for nothing: the service is working, or the keep-alive timer runs."""
        self._expect_nothing()
        self._header_bytes = 0
        if not self.transport.is_closing():
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the base class passes its own text
        """Refuse what is no HTTP."""
        self.transport.write(_problem(HTTPStatus.BAD_REQUEST))
        self.transport.close()

    def _expect_within(self, delay_s: float) -> None:
        self._expect_nothing()
        self._deadline = self.loop.call_later(delay_s, self._on_deadline, delay_s)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _on_deadline(self, delay_s: float) -> None:
        if self.flow.read_paused:  # the service is behind, not the caller
            self._expect_within(delay_s)
            return
        self._refuse(_TOO_SLOW)

    def _refuse(self, status: HTTPStatus) -> None:
        if self.transport.is_closing():
            return
        # The base class sets the cycle with the first complete headers.
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete or not cycle.response_started:
            self.transport.write(_problem(status))
        self.transport.close()
