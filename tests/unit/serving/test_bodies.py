"""Where bodies go: into their place, or away."""

import socket
import sys

import pytest

from app.serving.body_sink import ThrownAway, WholeBody
from app.serving.discarding import discard


def pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sender = socket.create_connection(listener.getsockname())
        receiver, _ = listener.accept()
    return sender, receiver


class TestWholeBody:
    def test_is_put_together_in_its_order(self) -> None:
        sink = WholeBody(7, b"abc")
        for piece in (b"de", b"fghi", b"j"):
            sink.space()[: len(piece)] = piece
            sink.advance(len(piece))
        assert sink.left_bytes == 0
        assert sink.body == b"abcdefghij"

    def test_never_takes_more_than_is_left(self) -> None:
        sink = WholeBody(7, b"abc")
        sink.advance(5)
        assert len(sink.space()) == 2


class TestThrownAway:
    def test_leaves_the_next_request_where_it_is(self) -> None:
        sink = ThrownAway(10, memoryview(bytearray(6)))
        assert len(sink.space()) == 6
        sink.advance(6)
        assert len(sink.space()) == 4


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux drops what a socket holds where it lies")
class TestDiscarding:
    def test_drops_what_is_there_and_no_more_than_was_asked(self) -> None:
        sender, receiver = pair()
        with sender, receiver:
            sender.sendall(b"x" * 1000 + b"next")
            assert discard(receiver.fileno(), 600) == 600
            assert discard(receiver.fileno(), 400) == 400
            assert receiver.recv(100) == b"next"

    def test_does_not_wait(self) -> None:
        sender, receiver = pair()
        with sender, receiver:
            assert discard(receiver.fileno(), 10) == 0

    def test_finds_nothing_where_the_connection_has_ended(self) -> None:
        sender, receiver = pair()
        with receiver:
            sender.close()
            assert discard(receiver.fileno(), 10) == 0
        assert discard(receiver.fileno(), 10) == 0
