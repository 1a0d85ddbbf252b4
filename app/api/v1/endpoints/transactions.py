"""Credits: giving them, and what became of them."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, status
from starlette.responses import Response

from app.api.deps import CallerDep, StateDep
from app.api.errors import problem_responses
from app.api.json_body import require_json
from app.api.once import OnceDep
from app.core.exceptions import (
    AdminRequired,
    BalanceLimit,
    BodyTooLarge,
    IdempotencyKeyReused,
    InvalidInput,
    LoginRequired,
    NotAuthenticated,
    NotFound,
    StorageUnavailable,
    UnsupportedContentType,
)
from app.models.credits import MAX_ID, DepositRequest, TransactionAnswer, TransactionsAnswer

router = APIRouter(prefix="/transactions", tags=["credits"])

_ASK: Final = (InvalidInput, NotAuthenticated, LoginRequired, NotFound, StorageUnavailable)


@router.post(
    "/deposit",
    dependencies=[Depends(require_json)],
    status_code=status.HTTP_201_CREATED,
    response_model=TransactionAnswer,
    responses=problem_responses(
        *_ASK, AdminRequired, BodyTooLarge, UnsupportedContentType, BalanceLimit, IdempotencyKeyReused
    ),
)
async def deposit(state: StateDep, caller: CallerDep, once: OnceDep, body: DepositRequest) -> Response:
    """Give credits: to oneself where the service allows it, as an administrator to anybody."""
    work = state.credits.deposit(body.user_id, body.amount, caller)
    return await once.answer(caller, body, work, TransactionAnswer.model_validate, status=status.HTTP_201_CREATED)


@router.get("", responses=problem_responses(*_ASK))
async def list_transactions(
    state: StateDep,
    caller: CallerDep,
    user_id: Annotated[int | None, Query(ge=1, le=MAX_ID, description="whose; by default one's own")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="how many transactions")] = 100,
    offset: Annotated[int, Query(ge=0, le=MAX_ID, description="how many of the newest to skip")] = 0,
) -> TransactionsAnswer:
    """List what was given and taken, newest first: one's own, or as an administrator anybody's."""
    page = await state.credits.page(user_id, caller, limit=limit, offset=offset)
    made = [TransactionAnswer.model_validate(one) for one in page.transactions]
    return TransactionsAnswer(total=page.total, transactions=made)
