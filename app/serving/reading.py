"""What a transport talks to."""

import asyncio
from typing import cast

from app.serving.guarded_protocol import GuardedProtocol


class ReadingInPlace(asyncio.BufferedProtocol):
    """Lets a connection say where to read to.

    The connection itself is an `asyncio.Protocol`, as its base class is; to such a one the transport would hand on
    bytes that it has read elsewhere.
    """

    def __init__(self, connection: GuardedProtocol) -> None:
        self._connection = connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Pass on."""
        self._connection.connection_made(cast("asyncio.Transport", transport))

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on."""
        self._connection.connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the connection knows better
        """Ask the connection."""
        return self._connection.get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """Pass on."""
        self._connection.buffer_updated(nbytes)

    def eof_received(self) -> None:
        """Pass on."""
        self._connection.eof_received()

    def pause_writing(self) -> None:
        """Pass on."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """Pass on."""
        self._connection.resume_writing()
