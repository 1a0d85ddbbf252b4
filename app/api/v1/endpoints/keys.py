"""API keys."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, status
from starlette.responses import Response

from app.api.deps import CallerDep, StateDep
from app.api.errors import problem_responses
from app.api.json_body import require_json
from app.api.once import OnceDep
from app.api.presenting_accounts import present_key, present_known_key, present_new_key
from app.core.constants import MAX_ID, Scope
from app.core.exceptions import (
    BodyTooLarge,
    IdempotencyKeyReused,
    InvalidInput,
    LoginRequired,
    NotAuthenticated,
    NotFound,
    StorageUnavailable,
    TooManyKeys,
    UnsupportedContentType,
)
from app.models.accounts import ApiKeyRequest, ApiKeysAnswer, NewApiKeyAnswer

router = APIRouter(prefix="/auth/keys", tags=["auth"])


@router.post(
    "",
    dependencies=[Depends(require_json)],
    status_code=status.HTTP_201_CREATED,
    response_model=NewApiKeyAnswer,
    responses=problem_responses(
        InvalidInput,
        BodyTooLarge,
        UnsupportedContentType,
        NotAuthenticated,
        LoginRequired,
        TooManyKeys,
        IdempotencyKeyReused,
        StorageUnavailable,
    ),
)
async def create_key(state: StateDep, caller: CallerDep, once: OnceDep, body: ApiKeyRequest) -> Response:
    """Make a key for a program; it is shown this once, and not when the request is sent again."""
    lifetime = None if body.expires_in_days is None else timedelta(days=body.expires_in_days)
    scopes = [Scope(scope) for scope in body.scopes]
    work = state.accounts.keys.create(caller, name=body.name, scopes=scopes, lifetime=lifetime)
    return await once.answer(
        caller, body, work, present_new_key, status=status.HTTP_201_CREATED, keep=present_known_key
    )


@router.get("", responses=problem_responses(InvalidInput, NotAuthenticated, LoginRequired, StorageUnavailable))
async def list_keys(
    state: StateDep,
    caller: CallerDep,
    limit: Annotated[int, Query(ge=1, le=1000, description="how many keys")] = 100,
    offset: Annotated[int, Query(ge=0, le=MAX_ID, description="how many of the oldest to skip")] = 0,
) -> ApiKeysAnswer:
    """List one's own keys, oldest first."""
    page = await state.accounts.keys.page(caller, limit=limit, offset=offset)
    return ApiKeysAnswer(total=page.total, keys=[present_key(key) for key in page.keys])


@router.delete(
    "/{key_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problem_responses(InvalidInput, NotAuthenticated, LoginRequired, NotFound, StorageUnavailable),
)
async def delete_key(state: StateDep, caller: CallerDep, key_id: Annotated[int, Path(ge=1, le=MAX_ID)]) -> None:
    """Take a key back: one's own, or as an administrator any."""
    await state.accounts.keys.delete(key_id, caller)
