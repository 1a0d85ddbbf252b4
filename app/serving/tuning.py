"""What makes a process that serves faster than one that does other things."""

import ctypes
import gc
import sys
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_TOP_PAD: Final = -2
_M_MMAP_THRESHOLD: Final = -3
_LARGEST_ARRAY_BYTES: Final = 32 * 1024 * 1024
_KEPT_FREE_BYTES: Final = 64 * 1024 * 1024
_YOUNG_OBJECTS: Final = 5_000


def tune_for_serving() -> None:
    """Set what suits a process that has loaded everything and will serve from now on."""
    _freeze_what_is_loaded()
    _keep_freed_memory()


def _freeze_what_is_loaded() -> None:
    """Take everything that was loaded out of the garbage collector's rounds, and make these rarer.

    A request leaves hardly any cycles, but every round would look through the model and the libraries. Not too rare:
    what an error's frames hold waits for a round.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 50)


def _keep_freed_memory() -> None:
    """Give back what loading has freed, then have the allocator keep what requests free.

    By default it returns each array of some hundred kilobytes to the system and asks for it again with the next
    request: a page fault for every 4 kB. Only the GNU C library has these switches.
    """
    if sys.platform != "linux":
        return
    try:
        library = ctypes.CDLL(None)
        malloc_trim, mallopt = library.malloc_trim, library.mallopt
    except AttributeError:
        return
    malloc_trim(0)
    mallopt(_M_MMAP_THRESHOLD, _LARGEST_ARRAY_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_FREE_BYTES)
    mallopt(_M_TOP_PAD, _LARGEST_ARRAY_BYTES // 16)
