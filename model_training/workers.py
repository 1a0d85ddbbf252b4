"""Where the work is done: in this process, in a few beside it, or on a dask cluster; the results are the same."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from joblib import Parallel, delayed, parallel_config
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from model_training.extras import require

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Workers:
    """Runs independent calls and gives their results in order.

    Attributes
    ----------
    jobs
        Processes; 1 stays in this one, -1 takes every core (or every thread of the cluster).
    quiet
        Draw no progress bar.
    """

    jobs: int = 1
    quiet: bool = False

    def run(self, function: Callable[..., T], calls: Iterable[tuple[Any, ...]], total: int, what: str) -> Iterator[T]:
        """Yield `function(*call)` for each of `total` calls, in their order, behind a progress bar named `what`."""
        parallel = Parallel(n_jobs=self.jobs, return_as="generator")
        results = parallel(delayed(single_threaded)(function, *call) for call in calls)
        yield from tqdm(results, total=total, desc=what, mininterval=1, disable=self.quiet)


def single_threaded(function: Callable[..., T], *arguments: Any) -> T:
    """Call with one thread of BLAS and OpenMP: sums in a fixed order, and no two workers fight for a core."""
    with threadpool_limits(limits=1):
        return function(*arguments)


@contextmanager
def hired_workers(jobs: int, scheduler: str | None, *, quiet: bool = False) -> Iterator[Workers]:
    """Give workers for the time of a `with` block.

    Parameters
    ----------
    jobs : int
        Processes on this machine; not used with a scheduler.
    scheduler : str or None
        Address of a dask scheduler, such as "tcp://10.0.0.1:8786"; its workers need this project installed.
    quiet : bool
        Draw no progress bars.
    """
    if scheduler is None:
        yield Workers(jobs=jobs, quiet=quiet)
        return
    distributed = require("distributed")
    with distributed.Client(scheduler), parallel_config(backend="dask"):
        yield Workers(jobs=-1, quiet=quiet)
