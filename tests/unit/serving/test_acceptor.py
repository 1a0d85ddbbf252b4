"""Who takes a connection of a shared socket."""

import asyncio
import socket

import pytest

from app.serving.acceptor import Acceptor
from app.serving.listening import listen


class Counting(asyncio.Protocol):
    """Counts connections, and answers nothing."""

    def __init__(self, counts: list[int], index: int) -> None:
        self._counts, self._index = counts, index

    def connection_made(self, _transport: asyncio.BaseTransport) -> None:
        self._counts[self._index] += 1


def make_acceptors(listener: socket.socket, counts: list[int]) -> list[Acceptor]:
    """Return as many as there are counts, as if each were a process of its own."""
    return [
        Acceptor(
            [listener.dup()],
            lambda index=index: Counting(counts, index),  # type: ignore[misc]
            lambda index=index: counts[index],  # type: ignore[misc]
            is_shared=True,
        )
        for index in range(len(counts))
    ]


async def until(count: int, counts: list[int]) -> None:
    async with asyncio.timeout(10):
        while sum(counts) < count:  # noqa: ASYNC110 - the acceptors have nothing to wait on
            await asyncio.sleep(0.01)


async def test_the_less_busy_one_takes_it() -> None:
    listener = listen("127.0.0.1", 0)
    counts = [0, 0]
    acceptors = make_acceptors(listener, counts)
    for acceptor in acceptors:
        acceptor.start()
    callers = []
    for number in range(1, 21):
        callers.append(socket.create_connection(listener.getsockname()))
        await until(number, counts)
    assert min(counts) >= 5
    for acceptor in acceptors:
        await acceptor.stop()
    for caller in callers:
        caller.close()
    listener.close()


async def test_takes_what_waits_before_it_stops() -> None:
    listener = listen("127.0.0.1", 0)
    counts = [0]
    (acceptor,) = make_acceptors(listener, counts)
    callers = [socket.create_connection(listener.getsockname()) for _ in range(5)]
    await acceptor.stop()
    assert counts == [5]
    address = listener.getsockname()
    listener.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(address, timeout=1)
    for caller in callers:
        caller.close()
