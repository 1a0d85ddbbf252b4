"""Computations off the event loop: one thread in a process, and a bounded waiting room before it."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from queue import SimpleQueue
from typing import Any, Final, ParamSpec, TypeVar

from threadpoolctl import threadpool_limits

from app.core.exceptions import CallerGone, DeadlineExceeded, Overloaded, ServiceError, ShuttingDown
from app.core.steps import Steps

P = ParamSpec("P")
R = TypeVar("R")

HOLD_S: Final = 0.02
"""How long a result may be kept back while more are about to join it."""
_SMOOTHING: Final = 0.05
"""Weight of the newest computation in the usual time of one."""


def _always() -> bool:
    return True


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How long a request is worth computing for."""

    #: `time.perf_counter()` after which the caller does not want the answer any more
    deadline_s: float = inf
    #: False once the caller has hung up
    is_wanted: Callable[[], bool] = _always


class Engine:
    """One compute thread.

    Results leave it together: while requests wait, a result is kept back for those that follow, 20 ms at most, so that
    the event loop is woken, and the database flushed, once for several. A lone one waits for nobody.

    One, because the interpreter runs one at a time anyway: a second would only make both slower. Whoever is admitted
    has at most one computation waiting, so a batch, which computes sample by sample, lets single requests through.

    Parameters
    ----------
    capacity
        Requests that may be admitted at once.
    max_wait_s
        Longest wait before a computation begins; what waited longer is turned away, so that a queue that has become
        slow does not work for callers who gave up.
    """

    def __init__(self, capacity: int, max_wait_s: float = inf) -> None:
        self._capacity = capacity
        self._max_wait_s = max_wait_s
        self._admitted = 0
        self._closed = False
        self._usual_s = 0.0
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._results = _Results()
        self._thread = threading.Thread(target=self._work, name="compute", daemon=True)
        self._thread.start()

    @property
    def admitted(self) -> int:
        """Requests under way or waiting."""
        return self._admitted

    @property
    def room(self) -> int:
        """How many more would be admitted."""
        return self._capacity - self._admitted

    def check_room(self, patience: Patience) -> None:
        """Turn a request away before its body is read, where it would not be admitted or not be answered in time.

        Raises
        ------
        Overloaded
            The waiting room is full.
        DeadlineExceeded
            By the usual time of a computation, its own and those before it take longer than its caller waits.
        ShuttingDown
            The engine is closed.
        """
        if self._closed:
            raise ShuttingDown
        if not self.room:
            raise Overloaded
        if time.perf_counter() + (self._admitted + 1) * self._usual_s > patience.deadline_s:
            raise DeadlineExceeded

    @contextmanager
    def admit(self, patience: Patience | None = None) -> Iterator["Desk"]:
        """Let a request in for as long as the context lasts.

        Raises
        ------
        Overloaded, DeadlineExceeded, ShuttingDown
            As `check_room` does.
        """
        chosen = patience or Patience()
        self.check_room(chosen)
        self._admitted += 1
        try:
            yield Desk(self._jobs, chosen, self._max_wait_s)
        finally:
            self._admitted -= 1

    def close(self) -> None:
        """Finish what is under way, drop what waits."""
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        # Keeps BLAS and OpenMP to one thread: on arrays this small, more of them only wait for one another.
        with threadpool_limits(limits=1):
            while (job := self._jobs.get()) is not None:
                self._results.add(self._compute(job))
                has_deadline = job.patience.deadline_s < inf
                if has_deadline or self._jobs.empty() or self._results.are_due:
                    self._results.hand_over()
            self._results.hand_over()

    def _compute(self, job: "_Job") -> "_Result":
        if self._closed:
            return _Result(job.outcome, _fail, ShuttingDown())
        started_s = time.perf_counter()
        refusal = job.reason_not_to(started_s)
        if refusal is not None:
            return _Result(job.outcome, _fail, refusal)
        try:
            result = _Result(job.outcome, _settle, job.compute())
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is for whoever waits, and the thread goes on
            result = _Result(job.outcome, _fail, error)
        ended_s = time.perf_counter()
        self._usual_s += _SMOOTHING * (ended_s - started_s - self._usual_s)
        return result if ended_s <= job.patience.deadline_s else _Result(job.outcome, _fail, DeadlineExceeded())


class Desk:
    """Where one admitted request hands in its computations, one after the other."""

    def __init__(self, jobs: "SimpleQueue[_Job | None]", patience: Patience, max_wait_s: float) -> None:
        self._jobs = jobs
        self._patience = patience
        self._max_wait_s = max_wait_s

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Compute in the thread and wait for the result.

        Raises
        ------
        CallerGone, DeadlineExceeded, Overloaded
            The computation did not begin: nobody wants it any more, or it waited too long; or it ended too late.
        """
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[R] = loop.create_future()
        self._jobs.put(_Job(outcome, lambda: function(*args, **kwargs), self._patience, self._max_wait_s))
        try:
            return await outcome
        finally:
            del outcome  # an error that it holds is raised from this frame: a ring that keeps all frames above

    async def run_steps(self, steps: Steps[R]) -> R:
        """Compute step by step, with others' computations in between; raises what `run` does."""
        try:
            while (result := await self.run(_take, steps)) is None:
                pass
            return result[0]
        finally:
            del steps  # an error's frames for one would keep what has been computed so far


def _take(steps: Steps[R]) -> tuple[R] | None:
    """Take the next step; return the result, in a tuple, after the last."""
    try:
        next(steps)
    except StopIteration as end:
        return (end.value,)
    return None


@dataclass(slots=True, eq=False)
class _Job:
    """One computation on its way through the thread."""

    outcome: "asyncio.Future[Any]"
    compute: Callable[[], Any]
    patience: Patience
    max_wait_s: float
    submitted_s: float = field(default_factory=time.perf_counter)

    def reason_not_to(self, now_s: float) -> ServiceError | None:
        """Return why nobody wants the computation any more, None where somebody does."""
        if self.outcome.cancelled() or not self.patience.is_wanted():
            return CallerGone()
        if now_s > self.patience.deadline_s:
            return DeadlineExceeded()
        return Overloaded() if now_s - self.submitted_s > self.max_wait_s else None


@dataclass(frozen=True, slots=True, eq=False)
class _Result:
    """What is to be told to whom, and how."""

    outcome: "asyncio.Future[Any]"
    tell: Callable[["asyncio.Future[Any]", Any], None]
    what: object


class _Results:
    """Finished computations that the event loop has not heard of."""

    def __init__(self) -> None:
        self._kept: list[_Result] = []
        self._first_s = 0.0

    @property
    def are_due(self) -> bool:
        """Whether the first was kept back for long enough."""
        return time.perf_counter() - self._first_s > HOLD_S

    def add(self, result: _Result) -> None:
        """Keep a result back."""
        if not self._kept:
            self._first_s = time.perf_counter()
        self._kept.append(result)

    def hand_over(self) -> None:
        """Tell everybody, waking the loop once."""
        results, self._kept = self._kept, []
        for loop in {result.outcome.get_loop() for result in results}:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_tell_all, [one for one in results if one.outcome.get_loop() is loop])


def _tell_all(results: Sequence[_Result]) -> None:
    for result in results:
        result.tell(result.outcome, result.what)


def _settle(outcome: "asyncio.Future[Any]", result: object) -> None:
    if not outcome.done():
        outcome.set_result(result)


def _fail(outcome: "asyncio.Future[Any]", error: BaseException) -> None:
    if outcome.done():
        return
    # A future takes no StopIteration: it would end whoever waits without an error.
    outcome.set_exception(RuntimeError("a computation ran out") if isinstance(error, StopIteration) else error)
