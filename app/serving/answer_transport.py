"""What the base class of a connection writes an answer to."""

import asyncio
from typing import Protocol


class Connection(Protocol):
    """What is needed of one."""

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop

    def end_after_answer(self) -> None:
        """Close it once the caller can have read the answer."""


class AnswerTransport:
    """What an answer is written to: its head goes out with what follows at once, not in a packet of its own.

    The base class closes the transport where the connection is to end, read or not; this one sees to both.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._held: list[bytes] | None = []

    def write(self, data: bytes) -> None:
        """Send, or keep until the next write or the end of this turn of the loop."""
        if self._held is None:
            self._connection.transport.write(data)
        elif self._held:
            self._flush(data)
        else:
            self._held.append(data)
            self._connection.loop.call_soon(self._flush)

    def _flush(self, data: bytes = b"") -> None:
        if self._held is not None:
            held, self._held = self._held, None
            self._connection.transport.write(b"".join([*held, data]))

    def close(self) -> None:
        """End the connection."""
        self._flush()
        self._connection.end_after_answer()

    def is_closing(self) -> bool:
        """Whether it has ended."""
        return self._connection.transport.is_closing()
