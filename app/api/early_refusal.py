"""Turning predictions away on their headers alone, while there is no room for them.

Under overload most of what a process does is refusing, and every refusal takes time from those who were let in. This
one is written once for every address and language, and sent before anything is made of the request.
"""

import time
from collections.abc import Collection, Iterable
from typing import Final

import orjson
import structlog

from app.api.errors import MEDIA_TYPE, problem_body
from app.api.language import choose_language
from app.api.middleware import ENCODED_SECURITY_HEADERS, choose_request_id
from app.core.exceptions import Overloaded
from app.core.messages import Language
from app.ml.engine import Engine

log = structlog.get_logger(__name__)

Headers = Iterable[tuple[bytes, bytes]]

_LOGGED_EVERY_S: Final = 1.0
_LANGUAGES: Final[tuple[Language, ...]] = ("ru", "en")


class EarlyRefusals:
    """Answers for a full waiting room.

    Parameters
    ----------
    engine
        Whose room it is.
    paths
        Addresses that need it.
    """

    def __init__(self, engine: Engine, paths: Collection[str]) -> None:
        self._engine = engine
        self._answers = {
            (path.encode(), language): _write_answer(path, language) for path in paths for language in _LANGUAGES
        }
        self._paths = {path.encode() for path in paths}
        self._n_unlogged = 0
        self._logged_at_s = float("-inf")

    def answer(self, method: bytes, target: bytes, headers: Headers, n_beginning: int) -> tuple[bytes, bytes] | None:
        """Return the refusal of a request, None where it must be looked at in the usual way.

        It is a head without its end, to which the server adds what it puts on every answer, and a body.

        Parameters
        ----------
        method, target, headers
            As in the request; header names in lower case.
        n_beginning
            Requests that will ask the engine for room before this one does.
        """
        if method != b"POST" or self._engine.room > n_beginning:
            return None
        path = target.partition(b"?")[0]
        known = dict(headers)
        if path not in self._paths or b"origin" in known:  # what a page of another origin may read, others decide
            return None
        self._note()
        language = choose_language(known.get(b"accept-language", b"").decode("latin-1"))
        head, body = self._answers[path, language]
        return b"%sx-request-id: %s\r\n" % (head, choose_request_id(headers).encode()), body

    def _note(self) -> None:
        """Log how many were refused, once a second: a line for each would cost as much as the refusal."""
        self._n_unlogged += 1
        now_s = time.monotonic()
        if now_s - self._logged_at_s >= _LOGGED_EVERY_S:
            log.warning("overloaded", refused=self._n_unlogged)
            self._n_unlogged, self._logged_at_s = 0, now_s


def _write_answer(path: str, language: Language) -> tuple[bytes, bytes]:
    error = Overloaded()
    body = orjson.dumps(problem_body(error, language, path))
    fields = {
        "content-type": MEDIA_TYPE,
        "content-length": str(len(body)),
        "content-language": language,
        "vary": "Accept-Language",
        "server-timing": "total;dur=0.00",
        **{name.lower(): value for name, value in error.headers.items()},
        **{name.decode(): value.decode() for name, value in ENCODED_SECURITY_HEADERS},
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {error.status} Service Unavailable\r\n{lines}".encode(), body
