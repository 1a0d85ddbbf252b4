"""The compiled library, if there is one."""

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

VERSION: Final = 1
"""Of the functions' signatures: a library that was left over from another version is not called."""

FILE: Final = Path(__file__).with_name("_kernels.so")


def load(file: Path) -> ctypes.CDLL | None:
    """Return the library; None where it was not compiled, or for another machine, or from another version."""
    try:
        library = ctypes.CDLL(str(file))
        version = library.kernels_version()
    except (OSError, AttributeError):
        return None
    return library if version == VERSION else None


LIBRARY: Final = load(FILE)


def bind(name: str, result: type[ctypes.c_int] | None, *arguments: type) -> Callable[..., Any] | None:
    """Return a function of the library with its types declared; None where there is no library."""
    if LIBRARY is None:
        return None
    function = LIBRARY[name]
    function.argtypes, function.restype = arguments, result
    return function
