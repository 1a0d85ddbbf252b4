"""Addresses outside the versioned API: the front page, what errors mean, probes for orchestrators."""

from html import escape
from typing import Annotated, Final

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from app.api.deps import LanguageDep, StateDep
from app.api.errors import problem_response, problem_responses, problem_type
from app.api.readiness import check_readiness
from app.core.constants import API_PREFIX
from app.core.exceptions import InvalidInput, NotFound, ServiceError, StorageUnavailable
from app.core.messages import Language, describe_error
from app.core.version import VERSION
from app.models.schemas import FrontPage, LivenessAnswer, ProblemPage, ReadinessAnswer

router = APIRouter()

NAME: Final = "ECG service"
DESCRIPTION: Final = "Classifies 12-lead ECGs: an ECG in, a calibrated diagnosis with measurements out."
NOTICE: Final = (
    "Research and education only. Not a medical device: not for diagnosis, triage, treatment or emergency decisions."
)
LINKS: Final = {
    "docs": "/docs",
    "redoc": "/redoc",
    "openapi": "/openapi.json",
    "health": f"{API_PREFIX}/health",
    "forward": f"{API_PREFIX}/forward",
    "errors": "/errors",
}


@router.get("/", tags=["about"], response_model=FrontPage)
async def read_front_page(request: Request, state: StateDep) -> Response:
    """Say what this is and where to look; HTML for browsers."""
    model_version = state.models.version
    page = FrontPage(
        name=NAME, version=VERSION, description=DESCRIPTION, model_version=model_version, links=LINKS, notice=NOTICE
    )
    if not _prefers_html(request):
        return JSONResponse(page.model_dump())
    links = "".join(_link(name, url) for name, url in LINKS.items())
    about = f"{DESCRIPTION} Version {VERSION}, model {model_version or 'not loaded'}."
    return _html("en", NAME, f"<p>{escape(about)}</p><ul>{links}</ul><p><strong>{escape(NOTICE)}</strong></p>")


def _link(name: str, url: str) -> str:
    text = escape(url)
    return f"<li>POST {text}</li>" if name == "forward" else f'<li><a href="{text}">{text}</a></li>'


@router.get("/errors", tags=["about"], response_model=list[ProblemPage])
async def list_problems(request: Request, language: LanguageDep) -> Response:
    """List every kind of error this service answers."""
    pages = [_problem_page(error, language) for error in _kinds_of_errors().values()]
    if not _prefers_html(request):
        return JSONResponse([page.model_dump() for page in pages])
    items = "".join(f'<li><a href="{escape(page.type)}">{page.status} {escape(page.title)}</a></li>' for page in pages)
    return _html(language, "Errors", f"<ul>{items}</ul>")


@router.get(
    "/errors/{code}", tags=["about"], response_model=ProblemPage, responses=problem_responses(InvalidInput, NotFound)
)
async def read_problem(request: Request, language: LanguageDep, code: Annotated[str, Path(max_length=64)]) -> Response:
    """Explain a kind of error; its address is the `type` of the answers."""
    error = _kinds_of_errors().get(code)
    if error is None:
        return problem_response(NotFound(), request)
    page = _problem_page(error, language)
    if not _prefers_html(request):
        return JSONResponse(page.model_dump())
    return _html(language, f"{page.status} {page.title}", f"<p>{escape(page.detail)}</p><p>{escape(page.advice)}</p>")


@router.get("/health/live", tags=["health"])
async def read_liveness() -> LivenessAnswer:
    """Answer as long as the process can: restart it when this fails."""
    return LivenessAnswer()


@router.get("/health/ready", tags=["health"], responses={503: {"model": ReadinessAnswer}})
async def read_readiness(state: StateDep, response: Response) -> ReadinessAnswer:
    """Say whether requests should be sent here.

    A model that passed its self-test, a database that takes a write, room on the disk, room in the queue, an event loop
    that keeps up, every process of the service alive, and none of it on its way out.
    """
    checks = dict(await check_readiness(state))
    if not all(checks.values()):
        response.status_code = StorageUnavailable.status
        response.headers["Retry-After"] = str(StorageUnavailable.retry_after_s)
        return ReadinessAnswer(status="not_ready", checks=checks)
    return ReadinessAnswer(status="ready", checks=checks)


def _kinds_of_errors(base: type[ServiceError] = ServiceError) -> dict[str, type[ServiceError]]:
    """Return the error classes by code, in the order they are written down."""
    kinds: dict[str, type[ServiceError]] = {}
    for error in base.__subclasses__():
        kinds |= {error.code: error, **_kinds_of_errors(error)}
    return kinds


def _problem_page(error: type[ServiceError], language: Language) -> ProblemPage:
    text = describe_error(error.code)
    if text is None:
        raise LookupError(f"the catalogue has no text for {error.code}")
    return ProblemPage(
        type=problem_type(error.code),
        title=text.title.render(language),
        status=error.status,
        detail=text.detail.render(language),
        advice=text.advice.render(language),
    )


def _prefers_html(request: Request) -> bool:
    """Tell a browser, which asks for HTML by name, from everything else."""
    return "text/html" in request.headers.get("accept", "")


def _html(language: Language, title: str, body: str) -> HTMLResponse:
    return HTMLResponse(
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title></head>'
        f"<body><h1>{escape(title)}</h1>{body}</body></html>",
        headers={"Vary": "Accept, Accept-Language"},
    )
