"""One process that serves: uvicorn with our protocol, our way of accepting and our way of ending."""

import asyncio
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from types import FrameType
from typing import Final

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.api.early_refusal import EarlyRefusals
from app.api.state import AppState
from app.application import DIRECT_ROUTES
from app.core.config import Settings
from app.core.starting import StartRefused, tell_refusal
from app.serving.acceptor import Acceptor
from app.serving.event_loop import new_event_loop
from app.serving.guarded_protocol import DrainingState, GuardedProtocol
from app.serving.listening import announce, listen
from app.serving.reading import ReadingInPlace

DEADLINE_CHECK_S: Final = 0.5
_FAILED_TO_START: Final = 3
_NEVER: Final = 10**9

OnLoaded = Callable[[AppState], Awaitable[None]]


async def _nothing_to_wait_for(_state: AppState) -> None:
    """Serve as soon as everything is loaded."""


class _TellRefusals:
    """Hands a refusal to start to whoever started the server; the framework would write its traceback."""

    def __init__(self, app: ASGIApp, on_refusal: Callable[[StartRefused], None]) -> None:
        self._app = app
        self._on_refusal = on_refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        failure: Message | None = None

        async def hold_failures(message: Message) -> None:
            nonlocal failure
            if message["type"] == "lifespan.startup.failed":
                failure = message
            else:
                await send(message)

        try:
            await self._app(scope, receive, hold_failures)
        except StartRefused as refusal:
            self._on_refusal(refusal)
            await send({"type": "lifespan.startup.failed", "message": ""})
        except BaseException:
            if failure is not None:
                await send(failure)
            raise


class Server(uvicorn.Server):
    """One process of the service.

    Parameters
    ----------
    app
        Its lifespan is entered by the server.
    settings
        Where to listen, and how to end.
    sockets
        Listening already and shared with other processes; by default the server opens its own.
    on_loaded
        Awaited between loading and serving.
    """

    server_state: DrainingState

    def __init__(
        self,
        app: FastAPI,
        settings: Settings,
        *,
        sockets: Sequence[socket.socket] | None = None,
        on_loaded: OnLoaded = _nothing_to_wait_for,
    ) -> None:
        self._app = app
        self._settings = settings
        self._shared_sockets = sockets
        self._on_loaded = on_loaded
        self._acceptor: Acceptor | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._stop_signal: int | None = None
        self.refusal: StartRefused | None = None
        super().__init__(
            uvicorn.Config(
                _TellRefusals(app, self._keep_refusal),
                loop=f"{new_event_loop.__module__}:{new_event_loop.__name__}",
                http=GuardedProtocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=bool(settings.forwarded_allow_ips),
                forwarded_allow_ips=settings.forwarded_allow_ips,
                timeout_keep_alive=_NEVER,  # the protocol's own deadlines see to it
                timeout_graceful_shutdown=settings.shutdown_timeout_s,
            )
        )
        self.server_state = DrainingState()
        self.servers = []  # the base class would wait for listeners of its own

    def run_until_stopped(self, tell: Callable[[StartRefused], None] = tell_refusal) -> int:
        """Serve; return the process's exit code.

        Parameters
        ----------
        tell
            Told why the service does not start, where that is known.
        """
        try:
            self.run()
        except KeyboardInterrupt:  # uvicorn raises it again after its own, orderly end
            return 0
        except SystemExit:  # uvicorn's way to say that it could not start
            if self.refusal is not None:
                tell(self.refusal)
            return 1
        return 0 if self.started else 1

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - given to __init__
        """Load, then serve, then say where and what."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(_FAILED_TO_START)
        state: AppState = self._app.state.service
        paths = [path for method, path in DIRECT_ROUTES if method == "POST"]
        self.server_state.refuse_early = EarlyRefusals(state.engine, paths).answer
        self.started = True  # from here on there is something to shut down
        await self._on_loaded(state)
        if self.should_exit:
            return
        sockets_here = self._shared_sockets or await self._open_sockets()
        acceptor = Acceptor(
            sockets_here,
            self._make_protocol,
            lambda: len(self.server_state.connections),
            is_shared=self._shared_sockets is not None,
        )
        acceptor.start()
        self._acceptor = acceptor
        self._check_deadlines()
        if self._shared_sockets is None:
            announce(sockets_here[0], self._settings, state.models.version)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - as above
        """Finish what callers began; see `Settings.shutdown_delay_s` for the order."""
        self._start_draining()
        if self._acceptor is not None:
            if self._stop_signal == signal.SIGTERM:
                # Whoever sends callers here needs a moment to see that it should not; answers end their connections.
                await asyncio.sleep(self._settings.shutdown_delay_s)
            await self._acceptor.stop()
        await super().shutdown()
        if self._watch is not None:
            self._watch.cancel()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop being ready at once; what is under way is finished."""
        self._stop_signal = self._stop_signal or sig
        self._start_draining()
        super().handle_exit(sig, frame)

    @property
    def is_serving(self) -> bool:
        """Whether callers are accepted, or were."""
        return self._acceptor is not None

    def stop(self) -> None:
        """Do as after SIGTERM."""
        self._stop_signal = signal.SIGTERM
        self._start_draining()
        self.should_exit = True

    def _start_draining(self) -> None:
        state = getattr(self._app.state, "service", None)
        if isinstance(state, AppState):
            state.draining = True
        self.server_state.draining = True
        for connection in self._connections():
            cycle: RequestResponseCycle | None = connection.cycle  # set with the first complete headers
            # An answer that has begun without saying so must not end its connection: its caller may ask again.
            if cycle is not None and not cycle.response_started:
                cycle.keep_alive = False

    def _connections(self) -> list[GuardedProtocol]:
        return [one for one in self.server_state.connections if isinstance(one, GuardedProtocol)]

    def _keep_refusal(self, refusal: StartRefused) -> None:
        self.refusal = refusal

    async def _open_sockets(self) -> list[socket.socket]:
        try:
            return [listen(self._settings.host, self._settings.port)]
        except StartRefused as refusal:
            self.refusal = refusal
        await self.lifespan.shutdown()
        sys.exit(_FAILED_TO_START)

    def _make_protocol(self) -> asyncio.BaseProtocol:
        return ReadingInPlace(GuardedProtocol(self.config, self.server_state, self.lifespan.state))

    def _check_deadlines(self) -> None:
        self._watch = asyncio.get_running_loop().call_later(DEADLINE_CHECK_S, self._check_deadlines)
        now_s = time.monotonic()
        for connection in self._connections():
            connection.check_deadlines(now_s)
