"""Receiving a body, within the caps."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from app.api.parsing.inflate import GZIP, IDENTITY, inflated_size
from app.core.exceptions import BodyTooLarge, CallerGone, Overloaded

_JOINED_BYTES: Final = 2**20
_PLAIN_QUERY: Final = re.compile(rb"\w+=[\w.,-]*(?:&\w+=[\w.,-]*)*", re.ASCII)


@dataclass(slots=True)
class Upload:
    """A body and what came with it.

    Attributes
    ----------
    body
        As it was received, or inflated.
    query
        The query's fields, repeated ones too.
    headers
        Names in lower case, or of a class that does not mind.
    max_bytes
        The cap, for what is inflated as well.
    received_bytes
        Size of what was received, where that is not the body's.
    """

    body: bytes | bytearray
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    max_bytes: int = 0
    received_bytes: int | None = None

    @property
    def size_bytes(self) -> int:
        """Size of what was received."""
        return len(self.body) if self.received_bytes is None else self.received_bytes


def content_encoding(headers: Mapping[str, str]) -> str:
    """Return how the body is encoded."""
    return headers.get("content-encoding", IDENTITY).strip().lower()


class BodyBudget:
    """Bytes that all bodies of one process may hold together."""

    def __init__(self, limit_bytes: int) -> None:
        self._left = limit_bytes

    @asynccontextmanager
    async def receive(
        self, request: Request, query: Sequence[tuple[str, str]], max_bytes: int
    ) -> AsyncIterator[Upload]:
        """Read the body and keep it on the account while the context lasts.

        A body that is compressed also takes the room that it will fill when it is inflated.

        Raises
        ------
        BodyTooLarge
            Above `max_bytes`; known from Content-Length before anything is read, if the client sent one.
        Overloaded
            The other bodies leave no room; known beforehand likewise.
        CallerGone
            The caller hung up.
        """
        declared = request.headers.get("content-length", "")
        if declared.isdecimal():
            if int(declared) > max_bytes:
                raise BodyTooLarge
            if int(declared) > self._left:
                raise Overloaded
        body = _Pieces()
        upload = Upload(b"", query, request.headers, max_bytes)
        taken = 0
        try:
            while True:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise CallerGone
                chunk: bytes = message.get("body", b"")
                if body.n_bytes + len(chunk) > max_bytes:
                    raise BodyTooLarge
                taken += self._take(len(chunk))
                body.add(chunk)
                if not message.get("more_body", False):
                    break
            upload.body = body.joined()
            body = _Pieces()
            if content_encoding(request.headers) in GZIP:
                taken += self._take(inflated_size(upload.body, max_bytes))
            yield upload
        finally:
            upload.body = b""  # whatever still holds the upload, an error's frames for one, holds no body
            self._left += taken

    def _take(self, n_bytes: int) -> int:
        if n_bytes > self._left:
            raise Overloaded
        self._left -= n_bytes
        return n_bytes


class _Pieces:
    """A body as it comes in: a small one is put together once, at the end; a large one as it grows, to be held once."""

    def __init__(self) -> None:
        self.n_bytes = 0
        self._few: list[bytes] = []
        self._many = bytearray()

    def add(self, piece: bytes) -> None:
        """Append a piece."""
        self.n_bytes += len(piece)
        if self.n_bytes <= _JOINED_BYTES:
            self._few.append(piece)
            return
        for one in (*self._few, piece):
            self._many += one
        self._few = []

    def joined(self) -> bytes | bytearray:
        """Return the whole; one that came in a piece is that piece."""
        if self._many:
            return self._many
        return self._few[0] if len(self._few) == 1 else b"".join(self._few)


def query_pairs(request: Request) -> Sequence[tuple[str, str]]:
    """Return the pairs of the query in their order."""
    text: bytes = request.scope["query_string"]
    if not text:
        return ()
    if _PLAIN_QUERY.fullmatch(text):  # nothing to decode, which is what the general way spends its time on
        return [(name, value) for name, _, value in (pair.partition("=") for pair in text.decode("ascii").split("&"))]
    return parse_qsl(text.decode("latin-1"), keep_blank_values=True)
