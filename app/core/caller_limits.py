"""How often one caller may ask: the same limit over all processes, with no other service to ask."""

import secrets
import time
from ctypes import c_double
from hashlib import blake2b
from multiprocessing import get_context
from multiprocessing.sharedctypes import SynchronizedArray
from typing import Final

from app.core.addresses import caller_network

N_SLOTS: Final = 65_536
LOCK_TIMEOUT_S: Final = 0.05
BURST_S: Final = 10.0
"""A caller who was quiet may use this much of its future at once."""
_SECONDS_A_MINUTE: Final = 60


class CallerLimits:
    """A generic cell rate: for each caller the moment up to which its allowance is used.

    Callers are slots of a table that the processes share; the key of the hash is drawn at every start, so nobody can
    choose an address that falls into another's slot.

    Parameters
    ----------
    per_minute
        Requests of one caller; 0 for no limit.
    """

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._interval_s = _SECONDS_A_MINUTE / per_minute if per_minute else 0.0
        self._key = secrets.token_bytes(16)
        self._used_until_s: SynchronizedArray[float] | None = (
            get_context("spawn").Array(c_double, N_SLOTS) if per_minute else None
        )

    def take(self, caller: str, now_s: float | None = None) -> float:
        """Count a request; return 0 where it may pass, else the seconds after which the next one may.

        Parameters
        ----------
        caller
            Address.
        now_s
            `time.monotonic()`, which all processes of a machine share.
        """
        table = self._used_until_s
        if table is None:
            return 0.0
        now = time.monotonic() if now_s is None else now_s
        slot = int.from_bytes(blake2b(caller_network(caller).encode(), key=self._key, digest_size=4).digest()) % N_SLOTS
        lock = table.get_lock()
        if not lock.acquire(timeout=LOCK_TIMEOUT_S):  # a process died with it: better no limit than no service
            return 0.0
        try:
            used_until_s = max(table[slot], now)
            wait_s = used_until_s + self._interval_s - now - max(BURST_S, self._interval_s)
            if wait_s <= 0:
                table[slot] = used_until_s + self._interval_s
            return max(0.0, wait_s)
        finally:
            lock.release()
