"""Every error becomes problem+json here (RFC 9457)."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from app.api.faults import faults_from_pydantic
from app.api.language import request_language
from app.core.constants import OIP_PREFIX
from app.core.exceptions import (
    BodyTooLarge,
    InternalError,
    InvalidInput,
    MethodNotAllowed,
    NotAuthenticated,
    NotFound,
    ServiceError,
    Unavailable,
    UnsupportedContentType,
)
from app.core.messages import Language, describe_error, detail, fault_body
from app.models.schemas import Problem

MEDIA_TYPE: Final = "application/problem+json"
MAX_PATH_CHARACTERS: Final = 200
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")

_BY_STATUS: Final[Mapping[int, type[ServiceError]]] = {
    error.status: error
    for error in (InvalidInput, NotFound, MethodNotAllowed, BodyTooLarge, UnsupportedContentType, Unavailable)
}


def problem_type(code: str) -> str:
    """Return the URI of a kind of error; the service describes it there."""
    return f"/errors/{code}"


def problem_response(error: ServiceError, connection: HTTPConnection) -> JSONResponse:
    """Write an error in the caller's language."""
    language = request_language(connection)
    return JSONResponse(
        problem_body(error, language, connection.scope["path"]),
        status_code=error.status,
        headers={**error.headers, "Content-Language": language, "Vary": "Accept-Language"},
        media_type=MEDIA_TYPE,
    )


def problem_body(error: ServiceError, language: Language, path: str) -> dict[str, Any]:
    """Return the members of a problem (RFC 9457)."""
    text = describe_error(error.code)
    body: dict[str, Any] = {
        "type": problem_type(error.code),
        "title": text.title.render(language) if text else error.code,
        "status": error.status,
        "detail": detail(error, language),
        "instance": quote(path[:MAX_PATH_CHARACTERS], safe="/:@", errors="replace"),
    }
    if f"{path}/".startswith(f"{OIP_PREFIX}/"):  # clients of the protocol look for the message there
        body["error"] = body["detail"]
    if error.errors:
        body["errors"] = [fault_body(fault, language) for fault in error.errors]
    return body


def add_error_handlers(app: FastAPI) -> None:
    """Teach the application to answer its errors; what nobody expected is the middleware's to catch."""
    app.add_exception_handler(ServiceError, _answer_service_error)
    app.add_exception_handler(RequestValidationError, _answer_validation_error)
    app.add_exception_handler(StarletteHTTPException, _answer_http_error)


async def _answer_service_error(request: Request, error: Exception) -> Response:
    return problem_response(error if isinstance(error, ServiceError) else InternalError(), request)


async def _answer_validation_error(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else ()
    return problem_response(InvalidInput(errors=faults_from_pydantic(found)), request)


async def _answer_http_error(request: Request, error: Exception) -> Response:
    """Give the framework's own refusals our form."""
    if not isinstance(error, StarletteHTTPException):
        return problem_response(InternalError(), request)
    if error.status_code == NotAuthenticated.status:
        return problem_response(NotAuthenticated(), request)
    known = _BY_STATUS.get(error.status_code)
    if known is None:
        return problem_response(
            InvalidInput() if error.status_code < InternalError.status else InternalError(), request
        )
    own = known()
    own.headers.update(error.headers or {})
    if "Allow" in own.headers:  # the framework names the methods of one route, not of the address
        own.headers["Allow"] = ", ".join(_allowed_methods(request))
    return problem_response(own, request)


def _allowed_methods(request: Request) -> list[str]:
    """Return every method that some route takes at this address."""
    routes = request.app.router.routes
    taken = [
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]
    return ["HEAD", *taken] if "GET" in taken else taken


def problem_responses(*errors: type[ServiceError]) -> dict[int | str, dict[str, Any]]:
    """Describe the errors an endpoint may answer, for the API's schema."""
    responses: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        text = describe_error(error.code)
        title = text.title.en if text else error.code
        known = responses.get(error.status)
        responses[error.status] = {
            "description": f"{known['description']}, or: {title}" if known else title,
            "content": {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}},
        }
    return responses
