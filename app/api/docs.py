"""Swagger UI and ReDoc, under a content policy that lets in their assets and nothing else."""

import base64
import hashlib
import re
from typing import Final

from fastapi import APIRouter
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html, get_swagger_ui_oauth2_redirect_html
from starlette.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

OPENAPI_URL: Final = "/openapi.json"
REDIRECT_URL: Final = "/docs/oauth2-redirect"
_TITLE: Final = "ECG service"
_CDN: Final = "https://cdn.jsdelivr.net"
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
        get_redoc_html(openapi_url=OPENAPI_URL, title=_TITLE, redoc_favicon_url=_FAVICON, with_google_fonts=False)
    )


def _with_policy(page: HTMLResponse) -> HTMLResponse:
    """Allow the scripts that are in the page, by their digests, and the assets of the one host they come from."""
    scripts = _INLINE_SCRIPT.findall(bytes(page.body).decode())
    digests = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts
    )
    page.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src {_CDN} {digests}; style-src {_CDN} 'unsafe-inline'; font-src {_CDN} data:; "
        "img-src 'self' data: https://cdn.redoc.ly; connect-src 'self'; worker-src blob:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return page
