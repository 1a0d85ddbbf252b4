"""Accounts."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, status

from app.api.deps import CallerDep, CallerIfAnyDep, StateDep
from app.api.errors import problem_responses
from app.api.json_body import require_json
from app.core.constants import MAX_ID
from app.core.exceptions import (
    AccountExists,
    AccountFromSettings,
    AdminRequired,
    BodyTooLarge,
    InvalidInput,
    LoginRequired,
    NotAuthenticated,
    NotFound,
    Overloaded,
    StorageUnavailable,
    UnsupportedContentType,
)
from app.models.accounts import AccountAnswer, AccountChange, AccountsAnswer, RegisteredAnswer, RegisterRequest
from app.services.accounts import Registration

router = APIRouter(tags=["users"])

_BODY: Final = (InvalidInput, BodyTooLarge, UnsupportedContentType)
_REGISTER = problem_responses(*_BODY, NotAuthenticated, AdminRequired, AccountExists, Overloaded, StorageUnavailable)
_CHANGE = problem_responses(
    *_BODY, NotAuthenticated, LoginRequired, NotFound, AccountExists, AccountFromSettings, StorageUnavailable
)
_LIST = problem_responses(InvalidInput, NotAuthenticated, AdminRequired, StorageUnavailable)
UserId = Annotated[int, Path(ge=1, le=MAX_ID)]


@router.post(
    "/auth/register",
    dependencies=[Depends(require_json)],
    status_code=status.HTTP_201_CREATED,
    responses=_REGISTER,
)
@router.post(
    "/register", dependencies=[Depends(require_json)], status_code=status.HTTP_201_CREATED, responses=_REGISTER
)
async def register(state: StateDep, caller: CallerIfAnyDep, body: RegisterRequest) -> RegisteredAnswer:
    """Make an account; only administrators may give rights with it."""
    user = await state.accounts.users.register(Registration(**body.model_dump()), caller)
    return RegisteredAnswer.model_validate(user)


@router.get("/users/me", responses=problem_responses(NotAuthenticated, StorageUnavailable))
async def read_own_account(caller: CallerDep) -> AccountAnswer:
    """Show the caller's account."""
    return AccountAnswer.model_validate(caller.user)


@router.put("/users/me", dependencies=[Depends(require_json)], responses=_CHANGE)
async def change_own_account(state: StateDep, caller: CallerDep, body: AccountChange) -> AccountAnswer:
    """Change what the body names of the caller's account."""
    return await change_account(state, caller, caller.user.id, body)


@router.get("/users/", responses=_LIST)
@router.get("/users", responses=_LIST)
async def list_accounts(
    state: StateDep,
    caller: CallerDep,
    limit: Annotated[int, Query(ge=1, le=1000, description="how many accounts")] = 100,
    offset: Annotated[int, Query(ge=0, le=MAX_ID, description="how many of the oldest to skip")] = 0,
) -> AccountsAnswer:
    """List accounts, oldest first."""
    page = await state.accounts.users.page(caller, limit=limit, offset=offset)
    return AccountsAnswer(total=page.total, users=[AccountAnswer.model_validate(user) for user in page.users])


@router.get(
    "/users/{user_id}",
    responses=problem_responses(InvalidInput, NotAuthenticated, LoginRequired, NotFound, StorageUnavailable),
)
async def read_account(state: StateDep, caller: CallerDep, user_id: UserId) -> AccountAnswer:
    """Show an account: one's own, or to administrators any."""
    return AccountAnswer.model_validate(await state.accounts.users.get(user_id, caller))


@router.put("/users/{user_id}", dependencies=[Depends(require_json)], responses=_CHANGE)
async def change_account(state: StateDep, caller: CallerDep, user_id: UserId, body: AccountChange) -> AccountAnswer:
    """Change what the body names; role and activity are administrators' to change."""
    changes = body.model_dump(exclude_unset=True)
    return AccountAnswer.model_validate(await state.accounts.users.change(user_id, changes, caller))
