"""Callers who send nothing, or next to nothing, for ever (the catalogue's 75)."""

import selectors
import socket
import statistics
import time
from collections.abc import Sequence

import pytest

from tests.faults.figures import PrintFigure
from tests.faults.load import JSON
from tests.faults.service import Installation, Service
from tests.faults.wire import call, connect

pytestmark = pytest.mark.heavy

N_OF_EACH_KIND = 40
#: the service's deadlines for headers and for pauses are 10 s; a machine that is busy with other things may be late
CLOSED_WITHIN_S = 20
#: nothing may hold a connection for longer than this by being merely slow
CLOSED_AT_LAST_S = 60
DRIP_EVERY_S = 2
HEAD = b"POST /api/v1/forward HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n"
STARTS = {
    "nothing": (b"", b""),
    "half a header": (HEAD, b""),
    "half a body": (HEAD + b"\r\n{", b""),
    "a header, byte by byte": (b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"a"),
    "a body, byte by byte": (HEAD + b"\r\n", b" "),
}


class Slow:
    """Connections that never finish what they say."""

    def __init__(self, port: int) -> None:
        self._open: dict[socket.socket, tuple[str, bytes]] = {}
        self._started_s = time.monotonic()
        self._dripped_s = self._started_s
        self.closed_after_s: dict[str, list[float]] = {kind: [] for kind in STARTS}
        for kind, (start, drip) in STARTS.items():
            for _ in range(N_OF_EACH_KIND):
                connection = connect(port)
                connection.sendall(start)
                connection.setblocking(False)
                self._open[connection] = (kind, drip)

    @property
    def n_open(self) -> int:
        return len(self._open)

    def step(self) -> None:
        """Send the next bytes when it is time, and notice who was sent away."""
        if time.monotonic() - self._dripped_s > DRIP_EVERY_S:
            self._dripped_s = time.monotonic()
            for connection, (_, drip) in list(self._open.items()):
                self._drip(connection, drip)
        with selectors.DefaultSelector() as selector:
            for connection in self._open:
                selector.register(connection, selectors.EVENT_READ)
            for key, _ in selector.select(timeout=0.2) if self._open else ():
                assert isinstance(key.fileobj, socket.socket)
                self._read(key.fileobj)

    def close(self) -> None:
        for connection in self._open:
            connection.close()

    def _drip(self, connection: socket.socket, drip: bytes) -> None:
        try:
            connection.send(drip)
        except ConnectionError:
            self._gone(connection)

    def _read(self, connection: socket.socket) -> None:
        try:
            answer = connection.recv(65536)
        except ConnectionError:
            answer = b""
        if answer:
            assert answer.startswith((b"HTTP/1.1 408", b"HTTP/1.1 400")), answer[:100]
        else:
            self._gone(connection)

    def _gone(self, connection: socket.socket) -> None:
        kind, _ = self._open.pop(connection)
        self.closed_after_s[kind].append(time.monotonic() - self._started_s)
        connection.close()


def posting_time_s(service: Service, installation: Installation, body: bytes) -> float:
    started_s = time.monotonic()
    answer = call(service.port, "POST", "/api/v1/forward", body, JSON)
    took_s = time.monotonic() - started_s
    assert answer.status == 200
    installation.acks.add(answer.headers["x-request-id"], [answer.json["class_name"]])
    return took_s


def test_are_sent_away_while_others_are_served(
    installation: Installation, bodies: Sequence[bytes], print_figure: PrintFigure
) -> None:
    service = installation.start(WORKERS="2")
    before_s = [posting_time_s(service, installation, bodies[0]) for _ in range(30)]
    slow = Slow(service.port)
    beside_s = []
    end_s = time.monotonic() + CLOSED_AT_LAST_S
    while slow.n_open and time.monotonic() < end_s:
        slow.step()
        beside_s.append(posting_time_s(service, installation, bodies[0]))
    still_open = slow.n_open
    slow.close()
    last_s = {kind: round(max(times, default=0), 1) for kind, times in slow.closed_after_s.items()}
    print_figure(closed_after_s=last_s, before_s=statistics.median(before_s), beside_s=statistics.median(beside_s))
    assert still_open == 0
    assert all(last_s[kind] < CLOSED_WITHIN_S for kind in STARTS if kind != "a body, byte by byte")
    assert statistics.median(beside_s) < 3 * statistics.median(before_s) + 0.1
