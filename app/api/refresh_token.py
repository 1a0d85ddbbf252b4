"""How a refresh token travels: in the body, as a bearer, or in a cookie that only pages of this service may use."""

from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from app.core.config import Settings
from app.core.constants import API_PREFIX
from app.core.exceptions import ForeignPage
from app.core.opaque import REFRESH_PREFIX

COOKIE: Final = "ecg_refresh"
COOKIE_PATH: Final = f"{API_PREFIX}/auth"
"""The cookie goes nowhere but to where it is exchanged and given back."""
_SECONDS_A_DAY: Final = 86_400
_OWN_SITE: Final = frozenset({"same-origin", "none"})


def is_refresh_token(bearer: str | None) -> bool:
    """Tell a refresh token from an access token or a key, by its form."""
    return bearer is not None and bearer.startswith(REFRESH_PREFIX)


def find_refresh_token(request: Request, in_body: str | None, bearer: str | None) -> str | None:
    """Return the refresh token of a request, None where it has none.

    Raises
    ------
    ForeignPage
        It is in the cookie, and nothing shows that a page of this service sent it.
    """
    if in_body is not None:
        return in_body
    if is_refresh_token(bearer):
        return bearer
    kept = request.cookies.get(COOKIE)
    if kept is not None and not _is_from_own_page(request):
        raise ForeignPage
    return kept


def keep_refresh_token(response: Response, request: Request, token: str, settings: Settings) -> None:
    """Give the token to browsers, which keep it from scripts and from other sites."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=settings.refresh_token_idle_days * _SECONDS_A_DAY,
        path=COOKIE_PATH,
        secure=_is_secure(request, settings),
        httponly=True,
        samesite="strict",
    )


def drop_refresh_token(response: Response, request: Request, settings: Settings) -> None:
    """Take the token from browsers."""
    response.delete_cookie(
        COOKIE, path=COOKIE_PATH, secure=_is_secure(request, settings), httponly=True, samesite="strict"
    )


def _is_secure(request: Request, settings: Settings) -> bool:
    return settings.environment == "production" or request.url.scheme == "https"


def _is_from_own_page(request: Request) -> bool:
    """Look at what browsers add by themselves and pages cannot change.

    Over plain HTTP there is no Sec-Fetch-Site; Origin comes with every POST then.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in _OWN_SITE
    try:
        origin = urlsplit(request.headers.get("origin", ""))
    except ValueError:
        return False
    return bool(origin.netloc) and origin.netloc == request.headers.get("host")
