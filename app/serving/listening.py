"""The address the service listens on."""

import logging
import socket
from typing import Final

import structlog

from app.core.config import Settings
from app.core.starting import StartRefused
from app.native.library import LIBRARY

log = structlog.get_logger(__name__)

BACKLOG: Final = 2048
RECEIVE_BUFFER_BYTES: Final = 1024 * 1024
_EVERYWHERE: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, not bound


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 takes a free one.

    Raises
    ------
    StartRefused
        The address is taken, or not ours.
    """
    try:
        family, *_, address = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
        listener = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise StartRefused(f"HOST, PORT: cannot listen on {host}:{port}: {error.strerror}") from error
    # Accepted connections inherit it: a whole ECG arrives while the interpreter is busy, and is read at once.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    return listener


def service_url(listener: socket.socket, host: str) -> str:
    """Return the address to type into a browser on this machine."""
    port = listener.getsockname()[1]
    shown = "localhost" if host in _EVERYWHERE else host
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def announce(listener: socket.socket, settings: Settings, model_version: str | None) -> None:
    """Say where the service is and what it runs."""
    bound_host, port, *_ = listener.getsockname()
    # The line that everybody who runs such services looks for.
    logging.getLogger("uvicorn.error").info("Uvicorn running on http://%s:%d (Press CTRL+C to quit)", bound_host, port)
    url = service_url(listener, settings.host)
    log.info("service_ready", url=url, docs=f"{url}/docs", model=model_version or "none")
    if LIBRARY is None:
        log.warning("not_compiled", reason="no C compiler at installation", effect="JSON is read three times as slowly")
    for weakness in settings.weaknesses:
        log.warning("insecure_setting", weakness=weakness)
