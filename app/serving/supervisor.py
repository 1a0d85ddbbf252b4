"""The process that keeps the workers: starts them, replaces them, passes the model on, ends with them.

It opens the listening socket and reads the model's files; it loads neither model nor database and serves nobody, so
nothing a caller sends can bring it down.
"""

import signal
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Final

import structlog

from app.core.board import WorkerBoard
from app.core.caller_limits import CallerLimits
from app.core.config import Settings
from app.core.siblings import Siblings
from app.core.starting import StartRefused, tell_refusal
from app.ml.errors import ArtifactError, ArtifactMissingError, ArtifactRefusedError
from app.ml.files import ModelFiles, read_files
from app.serving.entry import Post, run_worker
from app.serving.listening import announce, listen
from app.serving.messages import (
    DropPrepared,
    Load,
    Loaded,
    Migrate,
    Migrated,
    NotPrepared,
    Prepare,
    Prepared,
    Refused,
    Serve,
    ToWorker,
    UsePrepared,
)
from app.serving.outbox import Outbox

log = structlog.get_logger(__name__)

TICK_S: Final = 0.5
STALL_S: Final = 30.0
"""A worker whose event loop has not turned for so long is replaced."""
START_DEADLINE_S: Final = 600.0
"""A worker that does not serve by then is replaced; a migration may take minutes."""
MAX_BACKOFF_S: Final = 30.0
STEADY_S: Final = 60.0
"""A worker that lived this long did not fail at its start."""
PREPARE_DEADLINE_S: Final = 20.0
"""A worker that has no model ready by then counts as one that refused it; one that stands still is not replaced yet."""
KILL_AFTER_S: Final = 5.0
"""Beyond the grace that the settings give to requests under way."""


@dataclass(kw_only=True, slots=True, eq=False)
class _Worker:
    """One place for a worker, and who holds it."""

    slot: int
    process: SpawnProcess | None = None
    line: "Connection[object, object] | None" = None
    outbox: Outbox | None = None
    started_s: float = 0.0
    start_at_s: float = 0.0
    failures: int = 0
    is_loaded: bool = False
    version: str | None = None
    is_serving: bool = False
    #: the model's files it was started with, or has changed over to
    files: ModelFiles | None = None
    #: version of the model it has ready for a swap
    prepared: str | None = None

    def say(self, message: ToWorker) -> None:
        if self.outbox is not None:
            self.outbox.put(message)

    def hang_up(self) -> None:
        """Close the line to a process that has ended."""
        if self.line is not None and self.outbox is not None:
            self.outbox.close()
            self.line.close()
        self.line = self.outbox = None


def supervise(settings: Settings) -> int:
    """Serve with several processes until told to stop; return the exit code."""
    try:
        files = _read_model(settings)
        listener = listen(settings.host, settings.port)
    except StartRefused as refusal:
        tell_refusal(refusal)
        return 1
    return Supervisor(settings, files, listener).run()


def _read_model(settings: Settings) -> ModelFiles | None:
    path = settings.model_file
    try:
        return read_files(path)
    except ArtifactMissingError:
        return None  # the workers say so and serve all the same
    except ArtifactRefusedError as refusal:
        raise refusal.refuse_start(path) from refusal


class Supervisor:
    """Keeps as many workers as the settings ask for.

    Parameters
    ----------
    settings
        As read at start; workers get the same.
    files
        The model's files, None where there are none. A worker that is replaced gets the model in service, whatever
        lies on the disk by then.
    listener
        The socket the workers accept from.
    """

    def __init__(self, settings: Settings, files: ModelFiles | None, listener: socket.socket) -> None:
        self._settings = settings
        self._files = files
        self._listener = listener
        self._context = get_context("spawn")
        self._board = WorkerBoard(settings.n_workers)
        self._siblings = Siblings(board=self._board, limits=CallerLimits(settings.caller_limit_per_minute))
        self._workers = [_Worker(slot=slot) for slot in range(settings.n_workers)]
        self._is_migrated = not settings.migrates_at_start
        self._is_announced = False
        self._stop_signal: int | None = None
        self._swap_asked = False
        self._swap = 0
        self._next_files: ModelFiles | None = None
        self._prepared_by_s = float("inf")
        self._refusal: StartRefused | None = None
        self._woken, self._waker = socket.socketpair()

    def run(self) -> int:
        """Keep the workers until told to stop."""
        self._handle_signals()
        while self._stop_signal is None and self._refusal is None:
            self._start_missing()
            self._wait()
            self._swap_if_asked()
            self._abandon_late_swap()
        self._end_workers()
        if self._refusal is not None:
            tell_refusal(self._refusal)
            return 1
        return 0

    def _handle_signals(self) -> None:
        for end in (self._woken, self._waker):
            end.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for sig in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sig, self._on_stop)
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, self._on_hangup)

    def _on_stop(self, sig: int, _frame: FrameType | None) -> None:
        self._stop_signal = sig

    def _on_hangup(self, _sig: int, _frame: FrameType | None) -> None:
        self._swap_asked = True

    def _start_missing(self) -> None:
        now_s = time.monotonic()
        for worker in self._workers:
            if worker.process is None and now_s >= worker.start_at_s:
                self._start(worker)

    def _start(self, worker: _Worker) -> None:
        line, far_end = self._context.Pipe()
        post = Post(
            settings=self._settings,
            listener=self._listener,
            supervisor=far_end,
            slot=worker.slot,
            siblings=self._siblings,
        )
        worker.process = self._context.Process(
            target=run_worker,
            args=(post,),
            name=f"worker-{worker.slot}",
        )
        worker.process.start()
        far_end.close()
        worker.line, worker.outbox = line, Outbox(line)
        worker.started_s, worker.files = time.monotonic(), self._files
        worker.say(Load(self._files))

    def _wait(self) -> None:
        """Wait for a word from a worker, the end of one, a signal, or the tick; act upon it."""
        by_line = {worker.line: worker for worker in self._workers if worker.line is not None}
        by_sentinel = {worker.process.sentinel: worker for worker in self._workers if worker.process is not None}
        ready = wait([*by_line, *by_sentinel, self._woken], timeout=TICK_S)
        for source in ready:
            if source is self._woken:
                with suppress(BlockingIOError):
                    self._woken.recv(4096)
            elif source in by_line:
                self._hear(by_line[source])
        for source in ready:
            if isinstance(source, int) and source in by_sentinel:
                self._bury(by_sentinel[source])
        for worker in self._workers:
            is_slow = not worker.is_serving and time.monotonic() - worker.started_s > START_DEADLINE_S
            if worker.process is not None and (is_slow or self._board.is_stalled(worker.slot, STALL_S)):
                log.error("worker_stalled", slot=worker.slot, process=worker.process.pid)
                worker.process.kill()
                self._board.clear(worker.slot)

    def _hear(self, worker: _Worker) -> None:
        if worker.line is None:
            return
        try:
            message = worker.line.recv()
        except (EOFError, OSError):
            worker.hang_up()
            return
        match message:
            case Loaded(version):
                worker.is_loaded, worker.version = True, version
                self._on_loaded(worker)
            case Migrated():
                self._is_migrated = True
                self._let_serve()
            case Refused(reason) if self._is_announced:  # one that should replace another: it is tried again
                log.error("worker_refused", slot=worker.slot, reason=reason)
            case Refused(reason):
                self._refusal = StartRefused(reason)
            case Prepared(version, swap) if swap == self._swap:
                worker.prepared = version
                self._use_if_all_prepared()
            case NotPrepared(reason, swap) if swap == self._swap:
                self._abandon_swap(reason)

    def _on_loaded(self, worker: _Worker) -> None:
        if worker.files is not self._files and worker.process is not None:
            worker.process.kill()  # the model was exchanged while it loaded the one before
        elif self._is_migrated:
            self._let_serve()
        elif not any(other.is_loaded for other in self._workers if other is not worker):
            worker.say(Migrate())

    def _let_serve(self) -> None:
        for worker in self._workers:
            if worker.is_loaded and not worker.is_serving:
                worker.say(Serve())
                worker.is_serving = True
                self._let_prepare(worker)
        if not self._is_announced:
            self._is_announced = True
            version = next(worker.version for worker in self._workers if worker.is_serving)
            announce(self._listener, self._settings, version)

    def _bury(self, worker: _Worker) -> None:
        """See to it that a worker that ended is replaced: at once, but the later the more often it fails at start."""
        process = worker.process
        if process is None:
            return
        process.join()
        self._board.clear(worker.slot)
        if worker.line is not None and worker.line.poll():  # its last words may be why it did not start
            self._hear(worker)
        served = worker.is_serving
        lived_s = time.monotonic() - worker.started_s
        worker.failures = 0 if lived_s > STEADY_S else worker.failures + 1
        backoff_s = 0.0 if worker.failures <= 1 else min(MAX_BACKOFF_S, 2.0 ** (worker.failures - 2))
        log.error("worker_ended", slot=worker.slot, process=process.pid, exit_code=process.exitcode)
        if not self._is_announced and not served and self._refusal is None:
            self._refusal = StartRefused(f"a worker ended with {process.exitcode} before it could serve")
        worker.hang_up()
        worker.process, worker.prepared = None, None
        worker.is_loaded = worker.is_serving = False
        worker.start_at_s = time.monotonic() + backoff_s
        self._use_if_all_prepared()

    def _swap_if_asked(self) -> None:
        """Read the model's files anew and have every worker load them; only when all have, all use them."""
        if not self._swap_asked:
            return
        self._swap_asked = False
        self._swap += 1
        try:
            self._next_files = read_files(self._settings.model_file)
        except ArtifactError as refusal:
            self._abandon_swap(refusal.reason)
            return
        self._prepared_by_s = float("inf")
        for worker in self._serving():
            self._let_prepare(worker)

    def _let_prepare(self, worker: _Worker) -> None:
        if self._next_files is None:
            return
        worker.prepared = None
        worker.say(Prepare(self._next_files, self._swap))
        self._prepared_by_s = time.monotonic() + PREPARE_DEADLINE_S

    def _abandon_late_swap(self) -> None:
        if self._next_files is not None and time.monotonic() > self._prepared_by_s:
            self._abandon_swap(f"a worker has not prepared it within {PREPARE_DEADLINE_S:g} s")

    def _use_if_all_prepared(self) -> None:
        serving = list(self._serving())
        if self._next_files is None or not serving or any(worker.prepared is None for worker in serving):
            return
        version = serving[0].prepared
        for worker in serving:
            worker.say(UsePrepared())
            worker.prepared, worker.files = None, self._next_files
        self._files, self._next_files = self._next_files, None
        log.info("model_swapped", model=version, workers=len(serving))

    def _abandon_swap(self, reason: str) -> None:
        log.error("model_refused", reason=reason)
        self._next_files = None
        for worker in self._serving():
            worker.prepared = None
            worker.say(DropPrepared())

    def _serving(self) -> Iterable[_Worker]:
        return (worker for worker in self._workers if worker.is_serving)

    def _end_workers(self) -> None:
        """Close the socket, ask every worker to finish, and end those that do not."""
        self._listener.close()
        processes = [worker.process for worker in self._workers if worker.process is not None]
        for process in processes:
            process.terminate()
        settings = self._settings
        deadline_s = time.monotonic() + settings.shutdown_delay_s + settings.shutdown_timeout_s + KILL_AFTER_S
        for process in processes:
            process.join(max(0.0, deadline_s - time.monotonic()))
        for process in processes:
            if process.is_alive():
                log.error("worker_killed", process=process.pid)
                process.kill()
                process.join()
