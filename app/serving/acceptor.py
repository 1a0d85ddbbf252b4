"""Taking connections from a listening socket that several processes share.

The kernel wakes all of them, and the first would take every connection that waits, busy as it may be. So each reaches
the later for a connection the more of them it has: the least busy one takes it.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import structlog

log = structlog.get_logger(__name__)

HESITATION_S: Final = 0.0005
"""For each connection a process has, when others might take the next one."""
MAX_HESITATION_S: Final = 0.01
RETRY_S: Final = 1.0
"""After the system refused a connection, for want of file descriptors as a rule."""

Serve = Callable[[], asyncio.BaseProtocol]


class Acceptor:
    """Accepts until it is stopped.

    Parameters
    ----------
    sockets
        Listening.
    serve
        Makes the protocol of a new connection.
    open_connections
        How many this process has now.
    is_shared
        Whether other processes accept from the same sockets.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        serve: Serve,
        open_connections: Callable[[], int],
        *,
        is_shared: bool,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._sockets = tuple(sockets)
        for listener in self._sockets:
            listener.setblocking(False)
        self._serve = serve
        self._open_connections = open_connections
        self._is_shared = is_shared
        self._opening: set[asyncio.Task[object]] = set()
        self._is_accepting = False

    def start(self) -> None:
        """Begin."""
        self._is_accepting = True
        for listener in self._sockets:
            self._loop.add_reader(listener, self._on_waiting, listener)

    async def stop(self) -> None:
        """Take what waits already, then close the sockets: what was connected before gets its answer."""
        self._is_accepting = False
        for listener in self._sockets:
            self._loop.remove_reader(listener)
            with suppress(OSError):
                while self._accept(listener):
                    pass
            listener.close()
        if self._opening:
            await asyncio.wait(self._opening)

    def _on_waiting(self, listener: socket.socket) -> None:
        n_open = self._open_connections() + len(self._opening) if self._is_shared else 0
        self._loop.remove_reader(listener)
        if n_open:
            self._loop.call_later(min(n_open * HESITATION_S, MAX_HESITATION_S), self._reach, listener)
        else:
            self._reach(listener)

    def _reach(self, listener: socket.socket) -> None:
        """Take a connection if no other process has, and listen again: at once, or later where the system has none."""
        if not self._is_accepting:
            return
        try:
            self._accept(listener)
        except OSError as error:
            log.warning("accept_failed", reason=error.strerror)
            self._loop.call_later(RETRY_S, self._reach, listener)
        else:
            self._loop.add_reader(listener, self._on_waiting, listener)

    def _accept(self, listener: socket.socket) -> bool:
        """Take one connection, if one waits.

        Raises
        ------
        OSError
            The system gives none, for want of descriptors as a rule.
        """
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:  # reset already
            connection.close()
            return True
        opening: asyncio.Task[object] = self._loop.create_task(self._open(connection))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)
        return True

    async def _open(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._serve, connection)
        except OSError:  # reset before it was opened
            connection.close()
