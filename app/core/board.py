"""What the processes of one service know of each other."""

import time
from ctypes import c_double
from multiprocessing import get_context
from typing import Final

BEAT_S: Final = 1.0
_DOWN: Final = 0.0


class WorkerBoard:
    """A slot for each process that should be serving: the moment of its last sign of life, shared by all of them.

    Parameters
    ----------
    n_workers
        How many there should be.
    """

    def __init__(self, n_workers: int) -> None:
        self.n_workers: Final = n_workers
        self._last_beat_s = get_context("spawn").RawArray(c_double, n_workers)

    def beat(self, slot: int) -> None:
        """Say that this process serves and that its event loop turns."""
        self._last_beat_s[slot] = time.monotonic()

    def clear(self, slot: int) -> None:
        """Say that this process does not serve: it ended, or has not begun."""
        self._last_beat_s[slot] = _DOWN

    @property
    def all_serving(self) -> bool:
        """Whether none is down."""
        return all(beat != _DOWN for beat in self._last_beat_s)

    def is_stalled(self, slot: int, limit_s: float) -> bool:
        """Whether a process that serves has given no sign of life for so long."""
        beat = self._last_beat_s[slot]
        return bool(beat != _DOWN and time.monotonic() - beat > limit_s)
