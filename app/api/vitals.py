"""How the process itself is: whether its event loop keeps up, and whether the disk has room."""

import asyncio
import shutil
import time
from pathlib import Path
from typing import Final

TICK_S: Final = 0.1
MAX_LAG_S: Final = 1.0
_KEPT_TICKS: Final = 10


class LoopWatch:
    """Measures by how much the event loop is late, ten times a second."""

    def __init__(self) -> None:
        self._lags_s = [0.0] * _KEPT_TICKS
        self._due_s = 0.0
        self._tick: asyncio.TimerHandle | None = None

    @property
    def lag_s(self) -> float:
        """The longest delay within the last second, counting one that is not over."""
        return max(*self._lags_s, time.monotonic() - self._due_s if self._tick else 0.0)

    def start(self) -> None:
        """Begin."""
        self._due_s = time.monotonic() + TICK_S
        self._tick = asyncio.get_running_loop().call_later(TICK_S, self._on_tick)

    def stop(self) -> None:
        """End."""
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None

    def _on_tick(self) -> None:
        self._lags_s = [*self._lags_s[1:], max(0.0, time.monotonic() - self._due_s)]
        self.start()


def has_room(file: Path | None, min_free_bytes: int) -> bool:
    """Tell whether the disk a database file lies on has so many bytes left; True where there is no file."""
    if file is None:
        return True
    try:
        return shutil.disk_usage(file.parent).free >= min_free_bytes
    except OSError:
        return False
