"""Receiving a body, within the caps."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from app.core.exceptions import BodyTooLarge, Overloaded


@dataclass(frozen=True, slots=True)
class Upload:
    """A body and the query that came with it."""

    body: bytes | bytearray
    query: Sequence[tuple[str, str]]


class BodyBudget:
    """Bytes that all bodies of one process may hold together."""

    def __init__(self, limit_bytes: int) -> None:
        self._left = limit_bytes

    @property
    def left_bytes(self) -> int:
        """Bytes that are free now."""
        return self._left

    @asynccontextmanager
    async def receive(
        self, request: Request, query: Sequence[tuple[str, str]], max_bytes: int
    ) -> AsyncIterator[Upload]:
        """Read the body and keep it on the account while the context lasts.

        Raises
        ------
        BodyTooLarge
            Above `max_bytes`; known from Content-Length before anything is read, if the client sent one.
        Overloaded
            The other bodies leave no room; known beforehand likewise.
        ClientDisconnect
            The caller hung up.
        """
        declared = request.headers.get("content-length", "")
        if declared.isdecimal():
            if int(declared) > max_bytes:
                raise BodyTooLarge
            if int(declared) > self._left:
                raise Overloaded
        body: bytes | bytearray = b""
        booked = 0
        try:
            while True:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                chunk: bytes = message.get("body", b"")
                if booked + len(chunk) > max_bytes:
                    raise BodyTooLarge
                if len(chunk) > self._left:
                    raise Overloaded
                self._left -= len(chunk)
                booked += len(chunk)
                body = _joined(body, chunk)
                if not message.get("more_body", False):
                    break
            yield Upload(body=body, query=query)
        finally:
            self._left += booked


def _joined(body: bytes | bytearray, chunk: bytes) -> bytes | bytearray:
    """Append a piece; a body that came in one is taken as it is."""
    if not body:
        return chunk
    if isinstance(body, bytes):
        body = bytearray(body)
    body += chunk
    return body


def read_query(request: Request) -> Sequence[tuple[str, str]]:
    """Return the pairs of the query in their order."""
    text: bytes = request.scope["query_string"]
    return parse_qsl(text.decode("latin-1"), keep_blank_values=True) if text else ()
