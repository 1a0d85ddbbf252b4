"""A column's value that is known only when its row is inserted."""

import sqlite3
import time
from collections.abc import Mapping


class Stopwatch:
    """The milliseconds from its making to the insertion of the row it stands in: how long the row waited.

    The flush that follows the insertion cannot be in the row it makes durable; the answer's `Server-Timing` has both.
    """

    __slots__ = ("_started_s",)

    def __init__(self) -> None:
        self._started_s = time.perf_counter()

    @property
    def elapsed_ms(self) -> float:
        """Milliseconds until now."""
        return 1000 * (time.perf_counter() - self._started_s)

    def __conform__(self, protocol: object) -> float | None:
        """Tell SQLite's driver the value, at the moment it binds it."""
        return self.elapsed_ms if protocol is sqlite3.PrepareProtocol else None


def stop_watches(row: Mapping[str, object]) -> dict[str, object]:
    """Read every stopwatch of a row, for a driver that does not ask them itself."""
    return {name: value.elapsed_ms if isinstance(value, Stopwatch) else value for name, value in row.items()}
