"""Where the bytes of a body go that the parser does not see.

The parser hands a body on in pieces, each copied twice. But once its headers have said how long it is, a body needs no
parser: it is read into its place, and counted.
"""

from abc import ABC, abstractmethod


class BodySink(ABC):
    """Takes as many bytes as are still to come, and no more.

    Parameters
    ----------
    left_bytes
        How many these are.
    """

    def __init__(self, left_bytes: int) -> None:
        self.left_bytes = left_bytes

    @abstractmethod
    def space(self) -> memoryview:
        """Return where the next bytes may be written; not empty before all are there."""

    def advance(self, n_bytes: int) -> None:
        """Note that so many were written."""
        self.left_bytes -= n_bytes


class WholeBody(BodySink):
    """Puts a body together in one piece of memory.

    Parameters
    ----------
    left_bytes
        How many bytes are still to come.
    start
        What the parser has handed on.
    """

    def __init__(self, left_bytes: int, start: bytes) -> None:
        super().__init__(left_bytes)
        self.body = bytearray(len(start) + left_bytes)
        self.body[: len(start)] = start

    def space(self) -> memoryview:
        """Return the rest."""
        return memoryview(self.body)[len(self.body) - self.left_bytes :]


class ThrownAway(BodySink):
    """Lets a body that nobody wants pass by.

    Parameters
    ----------
    left_bytes
        How many bytes are still to come.
    scratch
        Memory that may be overwritten.
    """

    def __init__(self, left_bytes: int, scratch: memoryview) -> None:
        super().__init__(left_bytes)
        self._scratch = scratch

    def space(self) -> memoryview:
        """Return memory that nobody reads, no more than is left: what follows is the next request."""
        return self._scratch[: self.left_bytes]
