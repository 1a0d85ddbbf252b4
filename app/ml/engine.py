"""Computations off the event loop: one thread in a process, a bounded queue before it."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from threadpoolctl import threadpool_limits

from app.core.exceptions import Overloaded, ShuttingDown

P = ParamSpec("P")
R = TypeVar("R")


class Engine:
    """One compute thread.

    One, because the interpreter runs one at a time anyway: a second would only make both slower. Whoever is admitted
    has at most one computation waiting, so a batch, which computes sample by sample, lets single requests through.

    Parameters
    ----------
    capacity
        Requests that may be admitted at once.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._admitted = 0
        self._closed = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="compute", initializer=_one_blas_thread)

    @property
    def admitted(self) -> int:
        """Requests under way or waiting."""
        return self._admitted

    @property
    def is_full(self) -> bool:
        """Whether the next request would be turned away."""
        return self._admitted >= self._capacity

    @contextmanager
    def admit(self) -> Iterator["Desk"]:
        """Let a request in for as long as the context lasts.

        Raises
        ------
        Overloaded
            The queue is full.
        ShuttingDown
            The engine is closed.
        """
        if self._closed:
            raise ShuttingDown
        if self.is_full:
            raise Overloaded
        self._admitted += 1
        try:
            yield Desk(self._thread)
        finally:
            self._admitted -= 1

    def close(self) -> None:
        """Finish what is under way, drop what waits."""
        self._closed = True
        self._thread.shutdown(wait=True, cancel_futures=True)


class Desk:
    """Where one admitted request hands in its computations, one after the other."""

    def __init__(self, thread: ThreadPoolExecutor) -> None:
        self._thread = thread

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Compute in the thread and wait for the result."""
        return await asyncio.wrap_future(self._thread.submit(function, *args, **kwargs))


def _one_blas_thread() -> None:
    """Keep BLAS and OpenMP to one thread: on arrays this small, more of them only wait for one another."""
    threadpool_limits(limits=1)
