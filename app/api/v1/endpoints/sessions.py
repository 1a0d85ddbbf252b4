"""Staying logged in, logging out, and changing the password."""

from typing import Annotated, Final

from fastapi import APIRouter, Body, Depends, status
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from app.api.deps import AddressDep, CallerDep, StateDep, TokenDep
from app.api.errors import problem_responses
from app.api.faults import faults_from_pydantic
from app.api.json_body import require_json
from app.api.refresh_token import drop_refresh_token, find_refresh_token, is_refresh_token, keep_refresh_token
from app.api.state import AppState
from app.core.exceptions import (
    AccountFromSettings,
    BodyTooLarge,
    ForeignPage,
    InvalidInput,
    LoginRequired,
    LoginThrottled,
    NotAuthenticated,
    Overloaded,
    StorageUnavailable,
    UnsupportedContentType,
)
from app.models.accounts import PasswordChange, RefreshRequest
from app.models.schemas import TokenAnswer
from app.services.auth import Tokens

router = APIRouter(prefix="/auth", tags=["auth"])

_BODY: Final = (InvalidInput, BodyTooLarge, UnsupportedContentType)
_REFRESH: Final = (NotAuthenticated, ForeignPage, StorageUnavailable)
TokenBody = Annotated[RefreshRequest | None, Body(description="by default the bearer or the cookie is taken")]


@router.post("/refresh", dependencies=[Depends(require_json)], responses=problem_responses(*_BODY, *_REFRESH))
async def refresh(
    state: StateDep, request: Request, response: Response, bearer: TokenDep, body: TokenBody = None
) -> TokenAnswer:
    """Exchange a refresh token for the next pair of tokens.

    Each is good once; one that comes back ends the session, because somebody else may have it.
    """
    return await _refresh(state, request, response, bearer, body)


@router.get("/refresh", dependencies=[Depends(require_json)], responses=problem_responses(InvalidInput, *_REFRESH))
async def refresh_by_get(state: StateDep, request: Request, response: Response, bearer: TokenDep) -> TokenAnswer:
    """Do the same with the token as a bearer or in the cookie."""
    return await _refresh(state, request, response, bearer, _read_body(await request.body()))


@router.post(
    "/logout",
    dependencies=[Depends(require_json)],
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problem_responses(*_BODY, LoginRequired, *_REFRESH),
)
async def logout(state: StateDep, request: Request, bearer: TokenDep, body: TokenBody = None) -> Response:
    """End the session of a token, access or refresh: neither is valid any more."""
    in_body = body.refresh_token if body else None
    names_session = in_body is None and bearer is not None and not is_refresh_token(bearer)
    # An access token says which session is meant; only without one the cookie does.
    token = None if names_session else find_refresh_token(request, in_body, bearer)
    if token is not None:
        await state.accounts.auth.logout_by_token(token)
    else:
        caller = await state.accounts.identity.identify(bearer)
        await state.accounts.auth.logout(caller.require_login())
    return _without_cookie(request, state)


@router.post(
    "/logout-all",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problem_responses(NotAuthenticated, LoginRequired, StorageUnavailable),
)
async def logout_all(state: StateDep, request: Request, caller: CallerDep) -> Response:
    """End every session of the account."""
    await state.accounts.auth.logout_everywhere(caller)
    return _without_cookie(request, state)


@router.post(
    "/password",
    dependencies=[Depends(require_json)],
    responses=problem_responses(
        *_BODY, NotAuthenticated, LoginRequired, AccountFromSettings, LoginThrottled, Overloaded, StorageUnavailable
    ),
)
async def change_password(
    *,
    state: StateDep,
    request: Request,
    response: Response,
    caller: CallerDep,
    address: AddressDep,
    body: PasswordChange,
) -> TokenAnswer:
    """Change the password; every session ends, and the answer begins a new one."""
    auth = state.accounts.auth
    tokens = await auth.change_password(caller, body.current_password, body.new_password, address)
    return _answer(tokens, state, request, response)


async def _refresh(
    state: AppState, request: Request, response: Response, bearer: str | None, body: RefreshRequest | None
) -> TokenAnswer:
    token = find_refresh_token(request, body.refresh_token if body else None, bearer)
    return _answer(await state.accounts.auth.refresh(token), state, request, response)


def _answer(tokens: Tokens, state: AppState, request: Request, response: Response) -> TokenAnswer:
    keep_refresh_token(response, request, tokens.refresh, state.settings)
    return TokenAnswer(access_token=tokens.access, refresh_token=tokens.refresh)


def _without_cookie(request: Request, state: AppState) -> Response:
    response = Response(status_code=status.HTTP_204_NO_CONTENT)
    drop_refresh_token(response, request, state.settings)
    return response


def _read_body(body: bytes) -> RefreshRequest | None:
    """Read what clients may send with GET, although few can."""
    if not body:
        return None
    try:
        return RefreshRequest.model_validate_json(body)
    except ValidationError as error:
        faults = faults_from_pydantic(error.errors(include_url=False, include_input=False), ("body",))
        raise InvalidInput(errors=faults) from None
