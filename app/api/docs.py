"""Swagger UI and ReDoc from this service's own files, so that they work without a network."""

import base64
import hashlib
import re
from functools import lru_cache
from importlib.resources import files
from typing import Final

from fastapi import APIRouter
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html, get_swagger_ui_oauth2_redirect_html
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

router = APIRouter(include_in_schema=False)

OPENAPI_URL: Final = "/openapi.json"
REDIRECT_URL: Final = "/docs/oauth2-redirect"
ASSETS_URL: Final = "/docs/assets"
REDOC_SCRIPT_URL: Final = "/docs/redoc.standalone.js"
_REDOC_LOGO: Final = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
_PACKAGE: Final = "fastapi_offline"
_TITLE: Final = "ECG service"
_FAVICON: Final = "data:,"
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


@router.get("/docs")
async def read_swagger() -> HTMLResponse:
    """Show the API, to be tried out."""
    return _with_policy(
        get_swagger_ui_html(
            openapi_url=OPENAPI_URL,
            title=_TITLE,
            oauth2_redirect_url=REDIRECT_URL,
            swagger_js_url=f"{ASSETS_URL}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS_URL}/swagger-ui.css",
            swagger_favicon_url=_FAVICON,
            swagger_ui_parameters={"persistAuthorization": True, "defaultModelsExpandDepth": 0},
        )
    )


@router.get(REDIRECT_URL)
async def read_swagger_redirect() -> HTMLResponse:
    """Finish an authorization that Swagger UI began."""
    return _with_policy(get_swagger_ui_oauth2_redirect_html())


@router.get("/redoc")
async def read_redoc() -> HTMLResponse:
    """Show the API, to be read."""
    return _with_policy(
        get_redoc_html(
            openapi_url=OPENAPI_URL,
            title=_TITLE,
            redoc_js_url=REDOC_SCRIPT_URL,
            redoc_favicon_url=_FAVICON,
            with_google_fonts=False,
        )
    )


@router.get(REDOC_SCRIPT_URL)
async def read_redoc_script() -> Response:
    """Send ReDoc's script without the logo it would fetch from another server."""
    return Response(_redoc_script(), media_type="text/javascript")


@lru_cache(maxsize=1)
def _redoc_script() -> bytes:
    script = files(_PACKAGE).joinpath("static", "redoc.standalone.js").read_bytes()
    return script.replace(_REDOC_LOGO, b"data:,")


def docs_assets() -> StaticFiles:
    """Return the files of both, as a package of their own keeps them."""
    return StaticFiles(packages=[(_PACKAGE, "static")])


def _with_policy(page: HTMLResponse) -> HTMLResponse:
    """Allow this service's files, and the scripts that are in the page by their digests."""
    scripts = _INLINE_SCRIPT.findall(bytes(page.body).decode())
    digests = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    page.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'self' {digests}; style-src 'self' 'unsafe-inline'; font-src 'self' data:; "
        "img-src 'self' data:; connect-src 'self'; worker-src blob:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return page


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
