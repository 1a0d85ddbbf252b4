"""Saying something to a process that may not listen."""

import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Final

_END: Final = object()


class Outbox:
    """Sends from a thread of its own: a process that stands still takes nothing, and would hold up whoever waits.

    Parameters
    ----------
    line
        Leads to the process; what is received from it is not this one's business.
    """

    def __init__(self, line: "Connection[object, object]") -> None:
        self._line = line
        self._messages: SimpleQueue[object] = SimpleQueue()
        self._thread = threading.Thread(target=self._send_all, name="outbox", daemon=True)
        self._thread.start()

    def put(self, message: object) -> None:
        """Send as soon as all before it is sent; never waits."""
        self._messages.put(message)

    def close(self) -> None:
        """Stop sending. The process has ended, or this would wait until it takes what was begun."""
        self._messages.put(_END)
        self._thread.join()

    def _send_all(self) -> None:
        with suppress(OSError):  # it is ending, which its sentinel tells
            while (message := self._messages.get()) is not _END:
                self._line.send(message)
