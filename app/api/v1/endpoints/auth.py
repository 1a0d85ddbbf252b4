"""Logging in, and asking who one is."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from app.api.deps import AddressDep, CallerDep, LanguageDep, StateDep
from app.api.errors import problem_responses
from app.api.refresh_token import keep_refresh_token
from app.core.exceptions import (
    BodyTooLarge,
    InvalidInput,
    LoginThrottled,
    NotAuthenticated,
    Overloaded,
    StorageUnavailable,
    UnsupportedContentType,
    WrongCredentials,
)
from app.core.messages import explain
from app.core.names import MAX_EMAIL_CHARACTERS
from app.models.accounts import MAX_SENT_PASSWORD_CHARACTERS, PrivateAnswer
from app.models.schemas import TokenAnswer, UserAnswer

router = APIRouter(tags=["auth"])

_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
_REFUSALS = problem_responses(
    InvalidInput,
    WrongCredentials,
    BodyTooLarge,
    UnsupportedContentType,
    LoginThrottled,
    Overloaded,
    StorageUnavailable,
)


async def _require_form(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _FORMS:
        raise UnsupportedContentType(headers={"Accept": ", ".join(_FORMS)})


@router.post("/auth/login", dependencies=[Depends(_require_form)], responses=_REFUSALS)
@router.post("/token", dependencies=[Depends(_require_form)], responses=_REFUSALS)
async def login(
    *,
    state: StateDep,
    address: AddressDep,
    request: Request,
    response: Response,
    username: Annotated[str, Form(min_length=1, max_length=MAX_EMAIL_CHARACTERS, description="or the e-mail address")],
    password: Annotated[str, Form(min_length=1, max_length=MAX_SENT_PASSWORD_CHARACTERS)],
) -> TokenAnswer:
    """Exchange a name and a password for a token; send it as `Authorization: Bearer <token>`.

    The refresh token, which the answer also sets as a cookie, gives the next one when that has expired.
    """
    tokens = await state.accounts.auth.login(username, password, address)
    keep_refresh_token(response, request, tokens.refresh, state.settings)
    return TokenAnswer(access_token=tokens.access, refresh_token=tokens.refresh)


@router.get("/auth/me", responses=problem_responses(NotAuthenticated, StorageUnavailable))
async def read_me(caller: CallerDep) -> UserAnswer:
    """Say whose token it is."""
    return UserAnswer(username=caller.user.username, role=caller.user.role)


@router.get("/private", responses=problem_responses(NotAuthenticated, StorageUnavailable))
async def read_private(caller: CallerDep, language: LanguageDep) -> PrivateAnswer:
    """Answer whoever has a valid token or key."""
    return PrivateAnswer(message=explain("private_access", language), username=caller.user.username)
