"""Logging in, and asking who one is."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request

from app.api.deps import StateDep, UserDep
from app.api.errors import problem_responses
from app.core.exceptions import (
    BodyTooLarge,
    InvalidInput,
    NotAuthenticated,
    Overloaded,
    UnsupportedContentType,
    WrongCredentials,
)
from app.models.schemas import TokenAnswer, UserAnswer

router = APIRouter(prefix="/auth", tags=["auth"])

MAX_NAME_CHARACTERS: Final = 64
MAX_PASSWORD_CHARACTERS: Final = 1024
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")


async def _require_form(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _FORMS:
        raise UnsupportedContentType(headers={"Accept": ", ".join(_FORMS)})


@router.post(
    "/login",
    dependencies=[Depends(_require_form)],
    responses=problem_responses(InvalidInput, WrongCredentials, BodyTooLarge, UnsupportedContentType, Overloaded),
)
async def login(
    state: StateDep,
    username: Annotated[str, Form(min_length=1, max_length=MAX_NAME_CHARACTERS)],
    password: Annotated[str, Form(min_length=1, max_length=MAX_PASSWORD_CHARACTERS)],
) -> TokenAnswer:
    """Exchange a name and a password for a token; send it as `Authorization: Bearer <token>`."""
    return TokenAnswer(access_token=await state.auth.login(username, password))


@router.get("/me", responses=problem_responses(NotAuthenticated))
async def read_me(user: UserDep) -> UserAnswer:
    """Say whose token it is."""
    return UserAnswer(username=user.username, role=user.role)
