"""Structured logs: a static event and keywords, ids instead of objects, nothing of a patient.

What an exception says may quote the input, so tracebacks are logged as places in the code, without the message.
The service's own events take a short way to standard error, a tenth of what a record of `logging` costs; what libraries
log goes through `logging` and comes out in the same form.
"""

import logging
import sys
import traceback
from types import TracebackType
from typing import Any, Final

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_UVICORN_LINE: Final = "%(levelname)s:     %(message)s"
_SHARED: Final[tuple[Processor, ...]] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure_logging(level: str, *, as_json: bool) -> None:
    """Send everything that is logged to standard error, a line an event.

    Parameters
    ----------
    level
        Least severity.
    as_json
        Objects for machines, otherwise text for people.
    """
    renderer: Processor = _render_json if as_json else _render_text
    structlog.configure(
        processors=[*_SHARED, _places_only, renderer],
        logger_factory=lambda *_names: _StandardError(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[_places_only, structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells which database it found, at every start
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it quotes the forms it cannot read
    server = logging.getLogger("uvicorn")
    server.handlers.clear()
    if not as_json:  # the lines that everybody knows
        plain = logging.StreamHandler()
        plain.setFormatter(_ServerLine(_UVICORN_LINE))
        server.addHandler(plain)
    server.propagate = as_json


class _StandardError:
    """Where the service's own events are written, a line at a time."""

    def msg(self, line: str) -> None:
        """Write a rendered event."""
        sys.stderr.write(line + "\n")

    debug = info = warning = error = critical = exception = msg


def _render_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _render_text(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    moment, level, name = event.pop("timestamp"), event.pop("level"), event.pop("event")
    words = " ".join(f"{key}={_on_one_line(value)}" for key, value in event.items())
    return f"{moment} [{level}] {_on_one_line(name)} {words}".rstrip()


def _on_one_line(value: object) -> str:
    """Write a value; whatever could break the line or colour the terminal is escaped."""
    text = value if isinstance(value, str) else str(value)
    return text if text.isprintable() else repr(text)


class _ServerLine(logging.Formatter):
    """The server's own lines; of an exception only the places in the code."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name is logging's
        _, error, trace = ei
        return " < ".join([type(error).__name__, *code_places(trace)])


def code_places(trace: TracebackType | None) -> list[str]:
    """Return where in the code an exception passed, innermost first."""
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(traceback.extract_tb(trace))]


def _places_only(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace an exception by its type and its way through the code."""
    info = event.pop("exc_info", None)
    if info:
        error = info if isinstance(info, BaseException) else sys.exc_info()[1] if info is True else info[1]
        if error is not None:
            event["error"] = type(error).__name__
            event["places"] = code_places(error.__traceback__)
    return event
