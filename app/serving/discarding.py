"""Emptying a socket without looking at what it holds."""

import ctypes
import socket
import sys
from collections.abc import Callable
from typing import Final


def _system_call() -> Callable[..., int] | None:
    if sys.platform != "linux":
        return None
    function = ctypes.CDLL(None).recv
    function.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    function.restype = ctypes.c_ssize_t
    return function


_RECV: Final = _system_call()


def discard(file_descriptor: int, n_bytes: int) -> int:
    """Throw away what a TCP connection has received, at most so much; return how much that was.

    Linux drops it where it lies (`MSG_TRUNC`, tcp(7)): it costs nothing to speak of, however much it is. Elsewhere, and
    where nothing is there or the connection is broken, nothing is done.
    """
    if _RECV is None:
        return 0
    return max(0, _RECV(file_descriptor, None, n_bytes, socket.MSG_TRUNC | socket.MSG_DONTWAIT))
