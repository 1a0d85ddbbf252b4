"""Running the application under uvicorn."""

import sys
from socket import socket
from types import FrameType
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.guarded_protocol import GuardedProtocol
from app.api.state import AppState
from app.core.config import Settings

log = structlog.get_logger(__name__)

KEEP_ALIVE_S: Final = 65
_EVERYWHERE: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, not bound


class StartRefused(Exception):
    """The service cannot start; the text names the setting or file to mend, never a secret."""


class _TellRefusals:
    """Writes a refusal to start as one line; the framework would write its traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

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
            sys.stderr.write(f"refusing to start: {' '.join(str(refusal).split())}\n")
            await send({"type": "lifespan.startup.failed", "message": ""})
        except BaseException:
            if failure is not None:
                await send(failure)
            raise


class Server(uvicorn.Server):
    """One process of the service."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        super().__init__(
            uvicorn.Config(
                _TellRefusals(app),
                host=settings.host,
                port=settings.port,
                http=GuardedProtocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=bool(settings.forwarded_allow_ips),
                forwarded_allow_ips=settings.forwarded_allow_ips,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=settings.shutdown_timeout_s,
            )
        )

    def run_until_stopped(self) -> int:
        """Serve; return the process's exit code."""
        try:
            self.run()
        except KeyboardInterrupt:  # uvicorn raises it again after its own, orderly end
            return 0
        except SystemExit:  # uvicorn's way to say that it could not start
            return 1
        return 0 if self.started else 1

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Start, then say where and what."""
        await super().startup(sockets)
        if self.started:
            self._announce()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop being ready at once; what is under way is finished."""
        state = getattr(self._app.state, "service", None)
        if isinstance(state, AppState):
            state.draining = True
        super().handle_exit(sig, frame)

    def _announce(self) -> None:
        state: AppState = self._app.state.service
        port = self.servers[0].sockets[0].getsockname()[1]
        host = "localhost" if self._settings.host in _EVERYWHERE else self._settings.host
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        model = "none" if state.classifier is None else state.classifier.version
        log.info("service_ready", url=url, docs=f"{url}/docs", model=model)
        for weakness in self._settings.weaknesses:
            log.warning("insecure_setting", weakness=weakness)
