"""A closed-loop HTTP client that costs next to nothing: prepared bytes out, status and length in, one thread, epoll.

    python -m benchmarks.load HOST PORT REQUEST_FILE [--connections 8] [--seconds 5] [--core 1]

Every connection sends its next request when it has the answer to the last. Prints one line of JSON.
"""

import argparse
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


@dataclass(kw_only=True)
class Measured:
    """What one run saw."""

    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    broken_connections: int = 0

    @property
    def answers_per_s(self) -> float:
        """Answers of any status a second."""
        return len(self.latencies_ms) / self.seconds

    def percentile_ms(self, share: float) -> float:
        """Latency that this share of the answers stayed within."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")

    def as_json(self) -> str:
        """Write for the parent process."""
        return json.dumps(
            {
                "seconds": self.seconds,
                "answers": len(self.latencies_ms),
                "per_s": self.answers_per_s,
                "p50_ms": self.percentile_ms(0.5),
                "p99_ms": self.percentile_ms(0.99),
                "max_ms": self.percentile_ms(1.0),
                "statuses": dict(self.statuses),
                "broken_connections": self.broken_connections,
            }
        )


class _Caller:
    """One connection."""

    def __init__(self, address: tuple[str, int], request: bytes) -> None:
        self._address = address
        self._request = request
        self._received = bytearray()
        self.socket = self._connect()
        self.unsent = memoryview(b"")
        self.started_s = 0.0

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


def run(address: tuple[str, int], request: bytes, *, connections: int, seconds: float) -> Measured:
    """Ask as fast as the answers come."""
    measured = Measured()
    callers = [_Caller(address, request) for _ in range(connections)]
    selector = selectors.DefaultSelector()
    both, read_only = selectors.EVENT_READ | selectors.EVENT_WRITE, selectors.EVENT_READ
    started_s = time.perf_counter()
    for caller in callers:
        caller.begin()
        selector.register(caller.socket, both if caller.unsent else read_only, caller)
    deadline_s = started_s + seconds
    while time.perf_counter() < deadline_s:
        for key, events in selector.select(timeout=1):
            caller = key.data
            try:
                if events & selectors.EVENT_WRITE:
                    caller.send()
                status = caller.receive() if events & selectors.EVENT_READ else None
                if status is not None:
                    measured.latencies_ms.append(1000 * (time.perf_counter() - caller.started_s))
                    measured.statuses[status] += 1
                    caller.begin()
                selector.modify(caller.socket, both if caller.unsent else read_only, caller)
            except ConnectionError:
                measured.broken_connections += 1
                selector.unregister(caller.socket)
                caller.reconnect()
                caller.begin()
                selector.register(caller.socket, both if caller.unsent else read_only, caller)
    measured.seconds = time.perf_counter() - started_s
    for caller in callers:
        caller.socket.close()
    return measured


def main() -> None:
    """Run once and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.load")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("request", type=Path, help="file with the whole request, head and body")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--core", type=int)
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    request = options.request.read_bytes()
    measured = run((options.host, options.port), request, connections=options.connections, seconds=options.seconds)
    sys.stdout.write(measured.as_json() + "\n")


if __name__ == "__main__":
    main()
