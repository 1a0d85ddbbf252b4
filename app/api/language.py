"""Which language the caller reads."""

from starlette.requests import HTTPConnection

from app.core.messages import Language

_MAX_HEADER_CHARACTERS = 512


def choose_language(header: str | None) -> Language:
    """Return English where Accept-Language prefers it to Russian, and Russian otherwise.

    Examples
    --------
    >>> choose_language("en-GB,en;q=0.9,ru;q=0.8"), choose_language("de"), choose_language(None)
    ('en', 'ru', 'ru')
    """
    weights = {"ru": 0.0, "en": 0.0}
    for part in (header or "")[:_MAX_HEADER_CHARACTERS].split(","):
        tag, _, parameters = part.strip().partition(";")
        language = tag.strip().lower().split("-")[0]
        if language in weights:
            weights[language] = max(weights[language], _quality(parameters))
    return "en" if weights["en"] > weights["ru"] else "ru"


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return min(1.0, max(0.0, float(value)))
    except ValueError:
        return 0.0


def request_language(connection: HTTPConnection) -> Language:
    """Return the language of a request."""
    return choose_language(connection.headers.get("accept-language"))
