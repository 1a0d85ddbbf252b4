"""Saying something to a process that may not listen."""

from multiprocessing import Pipe

from app.serving.outbox import Outbox

LARGE = bytes(4_000_000)
"""More than the system keeps of what nobody takes."""


def test_does_not_wait_for_whoever_takes_nothing_and_keeps_the_order() -> None:
    line, far_end = Pipe()
    outbox = Outbox(line)
    for message in (LARGE, "second", "third"):
        outbox.put(message)
    assert [far_end.recv() for _ in range(3)] == [LARGE, "second", "third"]
    outbox.close()


def test_ends_with_whoever_took_nothing() -> None:
    line, far_end = Pipe()
    outbox = Outbox(line)
    outbox.put(LARGE)
    outbox.put("second")
    far_end.close()
    outbox.close()
    outbox.put("to nobody")
    line.close()
