"""The HTTP parser with the limits a public port needs: how long headers and bodies may take, how large headers may be.

Without them a caller who sends half a header holds a connection for ever, and a header of megabytes is collected in
memory. Builds on the class of the pinned uvicorn; the tests of these limits are the alarm for its upgrades.

A connection carries no timers: setting and cancelling four of them for every request costs more than looking over all
connections twice a second, which is what the server does with `check_deadlines`.
"""

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Iterable
from enum import Enum, auto
from http import HTTPStatus
from math import inf, isinf
from typing import Any, Final

import httptools
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from app.api.intake import IS_CONNECTED
from app.api.middleware import HSTS
from app.serving.answer_transport import AnswerTransport
from app.serving.body_sink import BodySink, ThrownAway, WholeBody
from app.serving.discarding import discard

MAX_HEADER_BYTES: Final = 32 * 1024
HEADER_DEADLINE_S: Final = 10.0
BODY_WINDOW_S: Final = 10.0
MIN_BODY_BYTES_IN_WINDOW: Final = 10_000
KEEP_ALIVE_S: Final = 65.0
_CONNECT: Final = b"CONNECT"
_VERSIONS: Final = frozenset({"1.0", "1.1"})
LINGER_S: Final = 2.0
MAX_LEFTOVER_BYTES: Final = 1024 * 1024
"""How much of a body that nobody wants is read to its end, so that its connection can be used again."""
MAX_LINGER_BYTES: Final = 8 * 1024 * 1024
REFUSED_PAUSE_S: Final = 0.08
"""A caller whose body was refused unread is heard again after this long: many who try again at once would otherwise
take the processor from those who were let in."""
BODY_BUFFER_BYTES: Final = 512 * 1024
"""A body up to this size wakes the application once, when it is complete."""
READ_BYTES: Final = 256 * 1024
HEAD_READ_BYTES: Final = 4 * 1024
"""What is read at once of a request before its headers are understood: as a rule all of them, and little of a body."""
MAX_COLLECTED_BYTES: Final = 64 * 1024 * 1024
"""Of all connections. Above, the application is woken for every piece, counts what it takes and refuses the rest."""


RefuseEarly = Callable[[bytes, bytes, list[tuple[bytes, bytes]], int], tuple[bytes, bytes] | None]
"""From method, target, headers, and how many requests are about to begin, to a head without its end and a body."""


class DrainingState(ServerState):
    """What all connections of a server share."""

    def __init__(self) -> None:
        super().__init__()
        #: the process is on its way out: every answer ends its connection
        self.draining = False
        #: of bodies, not handed over to the application yet
        self.collected_bytes = 0
        #: gives the answer to a request that is turned away on its headers alone
        self.refuse_early: RefuseEarly | None = None
        #: requests that were handed to the application, which has not looked at them yet
        self.n_beginning = 0
        #: what is read lies here until it is looked at, which is before any other connection is read from
        self.read_buffer = memoryview(bytearray(READ_BYTES))
        self.head_buffer = self.read_buffer[:HEAD_READ_BYTES]


class _Phase(Enum):
    """What a connection is waiting for."""

    HEADERS = auto()
    BODY = auto()
    ANSWER = auto()
    NEXT_REQUEST = auto()
    END = auto()
    """The answer is sent, the caller is still sending: what comes is thrown away until it notices."""


def _write_fields(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%s: %s\r\n" % field for field in fields)


def _problem(status: HTTPStatus, server_fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Write a whole answer: no application has seen the request, so the form of its errors is made here."""
    body = json.dumps({"type": "about:blank", "title": status.phrase, "status": status.value}).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "content-type: application/problem+json\r\n"
        f"content-length: {len(body)}\r\n"
        f"x-request-id: {secrets.token_hex(16)}\r\n"
        "x-content-type-options: nosniff\r\n"
        "cache-control: no-store\r\n"
        "connection: close\r\n"
    )
    return b"%s%s\r\n%s" % (head.encode("ascii"), _write_fields(server_fields), body)


class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    server_state: DrainingState

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._phase = _Phase.HEADERS
        self._since_s = 0.0
        self._header_bytes = 0
        self._has_begun = self._has_had_a_request = False
        self._window_bytes = self._parsed_bytes = 0
        #: how long the body is that comes in or came in last; of a chunked one nobody knows
        self._body_bytes = inf
        self._lingered_bytes = 0
        self._is_refused = False
        #: of a request that is to be parsed again
        self._unwished_head: bytes | None = None
        self._pieces: list[bytes | bytearray] = []
        self._pieces_bytes = 0
        self._collected_bytes = 0
        self._sink: BodySink | None = None
        #: the application hears of the request when its body is complete
        self._waits_for_body = False
        # Does not hold the protocol, which holds the request: that would be a ring that only the collector frees.
        gone = self._gone = [False]
        self._is_connected = lambda: not gone[0]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        """Wait for the first request."""
        super().connection_made(transport)
        self._enter(_Phase.HEADERS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let whoever works for the caller know."""
        self._gone[0] = True
        self._drop_pieces()
        super().connection_lost(exc)

    def get_buffer(self) -> memoryview:
        """Say where to read to: the rest of a body whose length is known goes to its place."""
        if self._phase is _Phase.END:
            return self.server_state.read_buffer
        if self._sink is not None:
            return self._sink.space()
        return self.server_state.read_buffer if self._phase is _Phase.BODY else self.server_state.head_buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Look at what was read; or throw away what comes after the answer."""
        if self._phase is _Phase.END:
            self._lingered_bytes += nbytes
            if self._lingered_bytes > MAX_LINGER_BYTES:
                self.transport.abort()
        elif self._sink is None:
            self.data_received(bytes(self.server_state.read_buffer[:nbytes]))
            if self._phase is _Phase.BODY:
                self._sink = self._choose_sink(self._body_bytes - self._parsed_bytes)
        else:
            self._window_bytes += nbytes
            self._sink.advance(nbytes)
            self._end_body_if_complete(self._sink)

    def data_received(self, data: bytes) -> None:
        """Parse, counting what belongs to headers."""
        self._has_begun = False
        self._feed(data)
        # What came with the end of the request before cannot be told from its headers, but what comes after it can.
        if self._phase is _Phase.HEADERS and not (self._has_begun and self._has_had_a_request):
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER_BYTES:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def _feed(self, data: bytes) -> None:
        """Let the parser see bytes.

        One that finds a wish for another protocol takes no body, so it is shown the request again without the wish:
        nobody here speaks another protocol, and what follows is the request's body, not another request.
        """
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as found:
            head, self._unwished_head = self._unwished_head, None
            if head is not None:
                self._renew_parser()
                self._feed(head + data[found.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("")

    def _renew_parser(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as the base class does

    def _without_upgrade(self) -> bytes:
        """Return the head of the request as it came, but for the wish to speak another protocol."""
        line = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        return line + _write_fields(field for field in self.headers if field[0] != b"upgrade") + b"\r\n"

    def _choose_sink(self, left_bytes: float) -> BodySink | None:
        """Return where the rest of a body goes past the parser; None where the parser must see its end."""
        if self.transport.is_closing() or isinf(left_bytes):
            return None
        if self._is_unwanted():
            return ThrownAway(int(left_bytes), self.server_state.read_buffer)
        if not self._waits_for_body:
            if self._pieces_bytes + left_bytes > BODY_BUFFER_BYTES or not self._has_room_for(left_bytes):
                return None
            self._collect(int(left_bytes))
        return WholeBody(int(left_bytes), b"".join(self._pieces))

    def _end_body_if_complete(self, sink: BodySink) -> None:
        """Do what the parser does at the end of a body; another one waits for the next request."""
        if sink.left_bytes:
            return
        self._sink = None
        if isinstance(sink, WholeBody):
            self._pieces, self._pieces_bytes = [sink.body], len(sink.body)
        self.on_message_complete()
        self._renew_parser()

    def on_message_begin(self) -> None:
        """Wait for the rest of the headers."""
        super().on_message_begin()
        self._has_begun = True
        self._header_bytes = 0
        self._enter(_Phase.HEADERS)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what comes behind a body is thrown away, for it would pass for one that came before."""
        if self._phase is _Phase.HEADERS:
            super().on_header(name, value)
            return
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > MAX_HEADER_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """Refuse headers that name no host; else wait for the body."""
        if self.parser.should_upgrade() and self.parser.get_method() != _CONNECT:
            self._unwished_head = self._without_upgrade()
            return
        version = self.parser.get_http_version()
        n_hosts = sum(name == b"host" for name, _ in self.headers)
        if version not in _VERSIONS or n_hosts > 1 or (version == "1.1" and not n_hosts):
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        self._has_had_a_request = True
        self._window_bytes = self._parsed_bytes = 0
        self._body_bytes = self._declared_bytes()
        self._enter(_Phase.BODY)
        if self._refuse_early():
            return
        self._waits_for_body = self._may_wait_for_body()
        if self._waits_for_body:
            self._collect(int(self._body_bytes))
        else:
            self._begin()

    def _may_wait_for_body(self) -> bool:
        """Tell whether the application need not know before the body is complete, as with a short one it need not."""
        is_short = self._body_bytes <= BODY_BUFFER_BYTES and self._has_room_for(self._body_bytes)
        return is_short and self._has_answered() and not self.expect_100_continue

    def _begin(self) -> None:
        """Hand the request to the application."""
        super().on_headers_complete()
        self.cycle.transport = AnswerTransport(self)  # type: ignore[assignment]  # what an answer needs of one
        self.scope["state"][IS_CONNECTED] = self._is_connected
        if self.server_state.draining:
            self.cycle.keep_alive = False

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGIApp) -> None:  # type: ignore[override]
        """Count the request until the application has looked at it, which is a turn of the loop later."""
        self.server_state.n_beginning += 1
        may_end_early = self._body_bytes > MAX_LEFTOVER_BYTES
        super()._start_asgi_task(cycle, self._counted(app, cycle if may_end_early else None))  # type: ignore[arg-type]

    def _counted(self, app: ASGIApp, ending_early: RequestResponseCycle | None) -> ASGIApp:
        async def begin(scope: Scope, receive: Receive, send: Send) -> None:
            self.server_state.n_beginning -= 1
            await app(scope, receive, send if ending_early is None else self._announcing(send, ending_early))

        return begin

    def _announcing(self, send: Send, cycle: RequestResponseCycle) -> Send:
        """Let an answer that is given before a long body was read say that it ends the connection."""

        async def send_announcing(message: Message) -> None:
            if message["type"] == "http.response.start" and self._phase is _Phase.BODY and self.cycle is cycle:
                cycle.keep_alive = False
            await send(message)

        return send_announcing

    def on_body(self, body: bytes) -> None:
        """Collect a piece; the application is woken for large ones only, and at the end."""
        self._window_bytes += len(body)
        self._parsed_bytes += len(body)
        if self._is_unwanted():
            return
        self._pieces_bytes += len(body)
        self._pieces.append(body)
        if self._waits_for_body:
            return
        self._collect(len(body))
        if self._pieces_bytes >= BODY_BUFFER_BYTES or not self._has_room_for(0):
            self.flow.pause_reading()
            self._hand_over()

    def _is_unwanted(self) -> bool:
        """Tell whether nobody will read the body any more."""
        if self._waits_for_body:
            return False
        return self._is_refused or self.transport.is_closing() or self.cycle.response_complete

    def on_message_complete(self) -> None:
        """Wait for nothing: the service is working, or has already answered."""
        if self.transport.is_closing() or self._unwished_head is not None:
            return
        if self._waits_for_body:
            self._waits_for_body = False
            self._is_refused = self._answer_early()
            if self._is_refused:
                self._pause()
            else:
                self._begin()
        if self._is_refused:
            self._is_refused = False
            self._drop_pieces()
            self._enter(_Phase.NEXT_REQUEST)
            return
        self._enter(_Phase.NEXT_REQUEST if self.cycle.response_complete else _Phase.ANSWER)
        self._hand_over()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, unless too much of this one is still to come."""
        unread = self._phase is _Phase.BODY and self.cycle.response_complete  # and not that of a request behind it
        super().on_response_complete()
        self._unset_keepalive_if_required()
        if unread and not self.transport.is_closing():
            if self._body_bytes > MAX_LEFTOVER_BYTES:
                self.end_after_answer()
            else:
                self._pause()
        elif self._phase is _Phase.ANSWER:  # the caller may be sending the next request already
            self._enter(_Phase.NEXT_REQUEST)

    def end_after_answer(self) -> None:
        """End the connection; where the caller is still sending, not before it had time to see the answer.

        To close at once would reset it, and what has not been read by then is lost on the way.
        """
        if self._phase is _Phase.BODY:
            self._enter(_Phase.END)
            self.transport.write_eof()
        elif self._phase is not _Phase.END:
            self.transport.close()

    def _refuse_early(self) -> bool:
        """Answer a request that is turned away on its headers alone, and let its body pass."""
        if self._body_bytes > MAX_LEFTOVER_BYTES or not self._answer_early():
            return False
        self._is_refused = True
        self._pause()
        return True

    def _answer_early(self) -> bool:
        """Turn the request away where there is no room for it; leave all but the plainest to the usual way."""
        refuse = self.server_state.refuse_early
        is_plain = (
            self._has_answered()  # else this answer would overtake an earlier request's
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
            and not self.expect_100_continue
            and not self.server_state.draining
        )
        if refuse is None or not is_plain:
            return False
        answer = refuse(self.parser.get_method(), self.url, self.headers, self.server_state.n_beginning)
        if answer is None:
            return False
        head, body = answer
        hsts = [HSTS] if self._is_https() else []
        fields = _write_fields([*self.server_state.default_headers, *hsts])
        self.transport.write(b"%s%s\r\n%s" % (head, fields, body))
        return True

    def _is_https(self) -> bool:
        """Tell how the caller came: for the application, a middleware reads it from what trusted proxies say."""
        proxies = self.app.trusted_hosts if isinstance(self.app, ProxyHeadersMiddleware) else ()
        stated = dict(self.headers).get(b"x-forwarded-proto")
        if stated is None or self.client is None or self.client[0] not in proxies:
            return self.scheme == "https"
        return stated.strip() == b"https"

    def shutdown(self) -> None:
        """Finish what is under way, a request that is still arriving as well."""
        if not self._waits_for_body:
            super().shutdown()

    def _has_answered(self) -> bool:
        """Tell whether every request before this moment has its answer."""
        last: RequestResponseCycle | None = self.cycle  # the base class sets it with the first complete headers
        return last is None or last.response_complete

    def _pause(self) -> None:
        self.flow.pause_reading()
        self.loop.call_later(REFUSED_PAUSE_S, self._hear_again)

    def _hear_again(self) -> None:
        if self.transport.is_closing():
            return
        if isinstance(self._sink, ThrownAway):
            self._sink.advance(discard(self._file_descriptor(), self._sink.left_bytes))
            self._end_body_if_complete(self._sink)
        self.flow.resume_reading()

    def _file_descriptor(self) -> int:
        descriptor: int = self.transport.get_extra_info("socket").fileno()
        return descriptor

    def check_deadlines(self, now_s: float) -> None:
        """End the connection if its caller is too slow; the server asks twice a second.

        Parameters
        ----------
        now_s
            `time.monotonic()`.
        """
        waited_s = now_s - self._since_s
        match self._phase:
            case _Phase.HEADERS if waited_s > HEADER_DEADLINE_S:
                self._refuse(HTTPStatus.REQUEST_TIMEOUT)
            case _Phase.BODY if waited_s > BODY_WINDOW_S:
                # Where reading is paused the service is behind, not the caller.
                if self._window_bytes < MIN_BODY_BYTES_IN_WINDOW and not self.flow.read_paused:
                    self._refuse(HTTPStatus.REQUEST_TIMEOUT)
                self._window_bytes = 0
                self._since_s = now_s
            case _Phase.NEXT_REQUEST if waited_s > KEEP_ALIVE_S and self._has_answered():
                self.transport.close()
            case _Phase.END if waited_s > LINGER_S:
                self.transport.abort()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the base class passes its own text
        """Refuse what is no HTTP."""
        self.transport.write(_problem(HTTPStatus.BAD_REQUEST, self.server_state.default_headers))
        self.transport.close()

    def _hand_over(self) -> None:
        """Give the application what was collected, copied once; the base class would copy every piece three times."""
        pieces = [bytes(self.cycle.body), *self._pieces] if self.cycle.body else self._pieces
        self._drop_pieces()
        self.cycle.body = pieces[0] if len(pieces) == 1 else b"".join(pieces)  # type: ignore[assignment]  # only read
        self.cycle.message_event.set()

    def _has_room_for(self, n_bytes: float) -> bool:
        return self.server_state.collected_bytes + n_bytes <= MAX_COLLECTED_BYTES

    def _collect(self, n_bytes: int) -> None:
        """Put bytes of a body on the account of all connections, before they are there where that is known."""
        self._collected_bytes += n_bytes
        self.server_state.collected_bytes += n_bytes

    def _drop_pieces(self) -> None:
        self._pieces, self._pieces_bytes = [], 0
        self.server_state.collected_bytes -= self._collected_bytes
        self._collected_bytes = 0

    def _enter(self, phase: _Phase) -> None:
        self._phase = phase
        self._since_s = time.monotonic()

    def _declared_bytes(self) -> float:
        """Return how long the body is; of a chunked one nobody knows."""
        for name, value in self.headers:
            if name == b"content-length" and value.isdigit():
                return int(value)
        return inf

    def _refuse(self, status: HTTPStatus) -> None:
        if self.transport.is_closing():
            return
        # The base class sets the cycle with the first complete headers.
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete or not cycle.response_started:
            self.transport.write(_problem(status, self.server_state.default_headers))
        self.transport.close()
