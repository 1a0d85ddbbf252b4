"""Receiving a body, within the caps."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.requests import Request

from app.core.exceptions import BodyTooLarge, Overloaded


@dataclass(frozen=True, slots=True)
class Upload:
    """A body and the query that came with it."""

    body: bytearray
    query: Sequence[tuple[str, str]]


class BodyBudget:
    """Bytes that all bodies of one process may hold together."""

    def __init__(self, limit_bytes: int) -> None:
        self._left = limit_bytes

    @asynccontextmanager
    async def receive(self, request: Request, max_bytes: int) -> AsyncIterator[Upload]:
        """Read the body and keep it on the account while the context lasts.

        Raises
        ------
        BodyTooLarge
            Above `max_bytes`; known from Content-Length before anything is read, if the client sent one.
        Overloaded
            The other bodies leave no room.
        """
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > max_bytes:
            raise BodyTooLarge
        body = bytearray()
        try:
            async for chunk in request.stream():
                if len(body) + len(chunk) > max_bytes:
                    raise BodyTooLarge
                if len(chunk) > self._left:
                    raise Overloaded
                self._left -= len(chunk)
                body += chunk
            yield Upload(body=body, query=request.query_params.multi_items())
        finally:
            self._left += len(body)
