"""A closed-loop HTTP client that costs next to nothing: prepared bytes out, status and length in, one thread, epoll.

    python -m benchmarks.load HOST PORT REQUEST_FILE [--connections 8] [--seconds 5] [--core 1] [--rate 0]

Every connection sends its next request when it has the answer to the last; with a rate, no sooner than its turn at
that rate comes. Prints one line of JSON.
"""

import argparse
import heapq
import json
import os
import re
import selectors
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_RECEIVE_BYTES: Final = 65_536
_REFUSED: Final = 400


@dataclass(kw_only=True)
class Measured:
    """What one run saw."""

    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    refused_ms: list[float] = field(default_factory=list)
    broken_connections: int = 0

    @property
    def answers_per_s(self) -> float:
        """Answers of any status a second."""
        return len(self.latencies_ms) / self.seconds

    def note(self, status: int, latency_ms: float) -> None:
        """Count an answer."""
        self.statuses[status] += 1
        self.latencies_ms.append(latency_ms)
        if status >= _REFUSED:
            self.refused_ms.append(latency_ms)

    def as_json(self) -> str:
        """Write for the parent process."""
        return json.dumps(
            {
                "seconds": self.seconds,
                "answers": len(self.latencies_ms),
                "per_s": self.answers_per_s,
                "p50_ms": _percentile(self.latencies_ms, 0.5),
                "p99_ms": _percentile(self.latencies_ms, 0.99),
                "max_ms": _percentile(self.latencies_ms, 1.0),
                "refused_p50_ms": _percentile(self.refused_ms, 0.5),
                "refused_p99_ms": _percentile(self.refused_ms, 0.99),
                "statuses": dict(self.statuses),
                "broken_connections": self.broken_connections,
            }
        )


def _percentile(values: list[float], share: float) -> float | None:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


class _Caller:
    """One connection."""

    def __init__(self, address: tuple[str, int], request: bytes) -> None:
        self._address = address
        self._request = request
        self._received = bytearray()
        self.socket = self._connect()
        self.unsent = memoryview(b"")
        self.started_s = 0.0
        self.turn_s = 0.0

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(self._address, timeout=30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        return connection

    def begin(self) -> None:
        """Start sending."""
        self.unsent = memoryview(self._request)
        self._received.clear()
        self.started_s = time.perf_counter()
        self.send()

    def send(self) -> None:
        """Send as much as the kernel takes."""
        while self.unsent:
            try:
                sent = self.socket.send(self.unsent)
            except BlockingIOError:
                return
            self.unsent = self.unsent[sent:]

    def receive(self) -> int | None:
        """Read; return the status once the whole answer is there. Raises ConnectionError at its end."""
        piece = self.socket.recv(_RECEIVE_BYTES)
        if not piece:
            raise ConnectionResetError
        self._received += piece
        head_end = self._received.find(b"\r\n\r\n")
        if head_end < 0:
            return None
        length = _LENGTH.search(self._received, 0, head_end)
        size = head_end + 4 + (int(length[1]) if length else 0)
        return int(self._received[9:12]) if len(self._received) >= size else None

    def reconnect(self) -> None:
        """Begin anew after the server closed."""
        self.socket.close()
        self.socket = self._connect()


class _Load:
    """All connections, in one thread."""

    def __init__(self, address: tuple[str, int], request: bytes, connections: int, rate_per_s: float) -> None:
        self._measured = Measured()
        self._selector = selectors.DefaultSelector()
        self._interval_s = connections / rate_per_s if rate_per_s else 0.0
        self._callers = [_Caller(address, request) for _ in range(connections)]
        self._turns: list[tuple[float, int]] = []
        started_s = time.perf_counter()
        for index, caller in enumerate(self._callers):
            self._selector.register(caller.socket, selectors.EVENT_READ, caller)
            caller.turn_s = started_s + self._interval_s * index / connections
            heapq.heappush(self._turns, (caller.turn_s, index))

    def run(self, seconds: float) -> Measured:
        """Ask for so long."""
        started_s = time.perf_counter()
        deadline_s = started_s + seconds
        while (now_s := time.perf_counter()) < deadline_s:
            self._begin_whose_turn_it_is(now_s)
            wait_s = min(1.0, self._turns[0][0] - now_s) if self._turns else 1.0
            for key, events in self._selector.select(timeout=max(0.0, wait_s)):
                self._serve(key.data, events)
        self._measured.seconds = time.perf_counter() - started_s
        for caller in self._callers:
            caller.socket.close()
        return self._measured

    def _begin_whose_turn_it_is(self, now_s: float) -> None:
        while self._turns and self._turns[0][0] <= now_s:
            caller = self._callers[heapq.heappop(self._turns)[1]]
            caller.begin()
            self._watch(caller)

    def _serve(self, caller: _Caller, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                caller.send()
            status = caller.receive() if events & selectors.EVENT_READ else None
            if status is not None:
                self._measured.note(status, 1000 * (time.perf_counter() - caller.started_s))
                self._next(caller)
            self._watch(caller)
        except ConnectionError:
            self._measured.broken_connections += 1
            self._selector.unregister(caller.socket)
            caller.reconnect()
            self._selector.register(caller.socket, selectors.EVENT_READ, caller)
            self._next(caller)

    def _next(self, caller: _Caller) -> None:
        if not self._interval_s:
            caller.begin()
            return
        caller.turn_s = max(caller.turn_s + self._interval_s, time.perf_counter())
        heapq.heappush(self._turns, (caller.turn_s, self._callers.index(caller)))

    def _watch(self, caller: _Caller) -> None:
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if caller.unsent else 0)
        if self._selector.get_key(caller.socket).events != wanted:
            self._selector.modify(caller.socket, wanted, caller)


def main() -> None:
    """Run once and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.load")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("request", type=Path, help="file with the whole request, head and body")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--core", type=int)
    parser.add_argument("--rate", type=float, default=0, help="requests a second of all connections together")
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    address = (options.host, options.port)
    load = _Load(address, options.request.read_bytes(), options.connections, options.rate)
    sys.stdout.write(load.run(options.seconds).as_json() + "\n")


if __name__ == "__main__":
    main()
