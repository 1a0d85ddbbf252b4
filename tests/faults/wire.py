"""HTTP as bytes: what a hostile client sends, and what comes back."""

import contextlib
import json
import re
import select
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PATIENCE_S = 15
_PIECE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def parse(received: bytes) -> Answer:
    """Read the first answer of what was received."""
    head, separator, rest = received.partition(b"\r\n\r\n")
    assert separator, f"no whole answer, but {received[:200]!r}"
    status, headers = parse_head(head)
    length = int(headers.get("content-length", len(rest)))
    assert len(rest) >= length, f"half an answer: {received[:200]!r}"
    return Answer(status, headers, rest[:length])


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Read the status and the header fields of an answer."""
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split(" ", 2)[1]), headers


def request(
    method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None, *, closes: bool = True
) -> bytes:
    """Write a request as a well-behaved client would."""
    fields = {"Host": "127.0.0.1", "Content-Length": str(len(body)), **(headers or {})}
    if closes:
        fields["Connection"] = "close"
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def connect(port: int, *, timeout_s: float = PATIENCE_S) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=timeout_s)


def send(port: int, raw: bytes) -> bytes:
    """Send bytes and return all that comes until the server closes; what it will not read does not matter."""
    with connect(port) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(raw)
        return read_until_closed(connection)


def read_until_closed(connection: socket.socket) -> bytes:
    received = bytearray()
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65536):
            received += piece
    return bytes(received)


def call(port: int, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
    """Exchange one request on a connection of its own."""
    return parse(send(port, request(method, path, body, headers)))


@dataclass(frozen=True, slots=True)
class LongCall:
    """How a body that should not be taken was received."""

    answer: Answer
    answered_after_s: float
    sent_bytes: int
    was_cut_off: bool


def push(port: int, head: bytes, pieces: Iterable[bytes], *, persist_s: float = 2) -> LongCall:
    """Send a body until the answer is there, then go on for a while, as a client that does not listen does."""
    with connect(port) as connection:
        started_s = time.monotonic()
        connection.sendall(head)
        stream = iter(pieces)
        sent, received = _send_until_answered(connection, stream)
        answered_s = time.monotonic() - started_s
        more, was_cut_off = _send_on(connection, stream, persist_s)
        return LongCall(parse(received), answered_s, sent + more, was_cut_off)


def _send_until_answered(connection: socket.socket, pieces: Iterator[bytes]) -> tuple[int, bytes]:
    sent = 0
    with contextlib.suppress(ConnectionError):
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                readable, writable, _ = select.select([connection], [connection], [], PATIENCE_S)
                if readable:
                    return sent, _receive_answer(connection)
                assert writable, "the service neither reads nor answers"
                count = connection.send(rest[:_PIECE_BYTES])
                sent += count
                rest = rest[count:]
    return sent, _receive_answer(connection)


def _receive_answer(connection: socket.socket) -> bytes:
    """Read one answer, however many pieces it comes in."""
    received = bytearray()
    with contextlib.suppress(ConnectionError):
        while not _is_whole(received) and (piece := connection.recv(65536)):
            received += piece
    return bytes(received)


def _is_whole(received: bytearray) -> bool:
    head, separator, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
    return bool(separator) and length is not None and len(body) >= int(length[1])


def _send_on(connection: socket.socket, pieces: Iterator[bytes], persist_s: float) -> tuple[int, bool]:
    """Return how much more was sent, and whether the service ended the connection."""
    sent = 0
    connection.settimeout(persist_s)
    try:
        for piece in pieces:
            connection.sendall(piece)
            sent += len(piece)
    except TimeoutError:
        return sent, False
    except ConnectionError:
        return sent, True
    return sent, _is_at_end(connection)


def _is_at_end(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def chunked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Frame pieces as Transfer-Encoding: chunked does."""
    for piece in pieces:
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"
