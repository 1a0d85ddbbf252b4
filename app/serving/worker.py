"""A process that serves: alone, or one of several that a supervisor keeps."""

import asyncio
import logging
import signal
import threading
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from app.api.state import AppState
from app.application import create_app, migrate
from app.core.board import BEAT_S
from app.core.config import Settings
from app.core.exceptions import Overloaded, StorageUnavailable
from app.core.logging import configure_logging
from app.core.starting import StartRefused
from app.ml.artifact import load_files
from app.ml.classifier import Classifier
from app.ml.errors import ArtifactError, ArtifactMissingError
from app.ml.files import ModelFiles, read_files
from app.serving.entry import Post
from app.serving.messages import (
    DropPrepared,
    FromWorker,
    Load,
    Loaded,
    Migrate,
    Migrated,
    NotPrepared,
    Prepare,
    Prepared,
    Refused,
    Serve,
    UsePrepared,
)
from app.serving.server import Server
from app.serving.tuning import tune_for_serving

log = structlog.get_logger(__name__)

SIGNAL_CHECK_S: Final = 0.2


def serve_alone(settings: Settings) -> int:
    """Serve in this process; return its exit code. SIGHUP reads the model's files anew."""
    reloads: set[asyncio.Task[None]] = set()

    async def on_loaded(state: AppState) -> None:
        tune_for_serving()

        def reload() -> None:
            task = asyncio.create_task(_reload(state, settings.model_file))
            reloads.add(task)
            task.add_done_callback(reloads.discard)

        if hasattr(signal, "SIGHUP"):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)

    return Server(create_app(settings), settings, on_loaded=on_loaded).run_until_stopped()


async def _reload(state: AppState, path: Path) -> None:
    """Let the next request be answered by the model that is in the files now; one that is no good changes nothing."""
    try:
        classifier = await asyncio.to_thread(lambda: load_files(read_files(path)))
    except ArtifactError as refusal:
        log.error("model_refused", reason=str(refusal), code=refusal.code)  # noqa: TRY400 - the reason says all
        return
    state.models.use(classifier)
    log.info("model_swapped", model=classifier.version)


class Worker:
    """One of several processes."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._prepared: Classifier | None = None
        #: the exchange of models that is under way, None where there is none
        self._swap: int | None = None
        self._may_serve = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        app = create_app(
            post.settings.model_copy(update={"auto_migrate": False}),  # one of the workers is asked to
            load_model=self._load_model,
            siblings=post.siblings,
        )
        self._server = Server(app, post.settings, sockets=[post.listener], on_loaded=self._on_loaded)

    def run(self) -> int:
        """Serve until told to stop; return the exit code."""
        configure_logging(self._post.settings.log_level, as_json=self._post.settings.logs_json)
        logging.getLogger("uvicorn").setLevel(logging.WARNING)  # the supervisor says that the service starts and ends
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the supervisor's to act upon
        return self._server.run_until_stopped(tell=lambda refusal: self._say(Refused(str(refusal))))

    def _load_model(self, path: Path) -> Classifier:
        try:
            first_word = self._post.supervisor.recv()
        except (EOFError, OSError) as end:
            raise StartRefused("the supervising process has ended") from end
        match first_word:
            case Load(files) if files is not None:
                return load_files(files)
        raise ArtifactMissingError(f"there is no {path.name}")

    async def _on_loaded(self, state: AppState) -> None:
        """Report, wait for the word to serve, and do what needs a migrated database."""
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._listen, args=(state, loop), name="supervisor", daemon=True).start()
        self._say(Loaded(state.models.version))
        while not (self._may_serve.is_set() or self._server.should_exit):  # a signal sets no event
            with suppress(TimeoutError):
                await asyncio.wait_for(self._may_serve.wait(), SIGNAL_CHECK_S)
        if self._server.should_exit:
            return
        with suppress(StorageUnavailable, Overloaded):  # it is tried again by whoever needs it
            await state.accounts.administrator.settle()
        tune_for_serving()
        self._beat()

    def _beat(self) -> None:
        self._post.siblings.board.beat(self._post.slot)
        asyncio.get_running_loop().call_later(BEAT_S, self._beat)

    def _listen(self, state: AppState, loop: asyncio.AbstractEventLoop) -> None:
        """Pass on what the supervisor says; in a thread of its own, because a model takes a while to arrive."""
        with suppress(EOFError, OSError):
            while True:
                loop.call_soon_threadsafe(self._obey, self._post.supervisor.recv(), state)
        # Nobody would replace this process now, nor tell it anything.
        with suppress(RuntimeError):  # it has ended already
            loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        self._may_serve.set()
        self._server.stop()

    def _obey(self, message: object, state: AppState) -> None:
        match message:
            case Serve():
                self._may_serve.set()
            case Migrate():
                self._begin(self._migrate(state))
            case Prepare(files, swap):
                self._swap = swap
                self._begin(self._prepare(files, swap))
            case UsePrepared() if self._prepared is not None:
                state.models.use(self._prepared)
                self._prepared = None
            case DropPrepared():
                self._prepared = self._swap = None

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _migrate(self, state: AppState) -> None:
        try:
            await migrate(state.database, self._post.settings)
        except StartRefused as refusal:
            self._say(Refused(str(refusal)))
        else:
            self._say(Migrated())

    async def _prepare(self, files: ModelFiles, swap: int) -> None:
        try:
            classifier = await asyncio.to_thread(load_files, files)
        except ArtifactError as refusal:
            self._say(NotPrepared(refusal.reason, swap))
        except Exception as error:  # noqa: BLE001 - the supervisor waits for an answer, whatever it is
            self._say(NotPrepared(type(error).__name__, swap))
        else:
            if swap == self._swap:  # else another file was given meanwhile, or this one was given up
                self._prepared = classifier
                self._say(Prepared(classifier.version, swap))

    def _say(self, message: FromWorker) -> None:
        with suppress(OSError):  # the supervisor has gone, which `_listen` sees
            self._post.supervisor.send(message)
