"""What was asked before."""

import re
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from app.api.deps import AdminDep, HistoryDep, HistoryReaderDep, LanguageDep
from app.api.errors import problem_responses
from app.api.presenting import present_history, present_stats
from app.core.exceptions import AdminRequired, InvalidInput, NotAuthenticated, StorageUnavailable
from app.core.messages import explain
from app.models.schemas import HistoryAnswer, HistoryDeleted, StatsAnswer

router = APIRouter(tags=["history"])

MAX_OFFSET = 2**63 - 1
_NUMBER = re.compile(r"\s*[+-]?[\d.]+(e[+-]?\d+)?\s*", re.IGNORECASE)


def _not_a_number(value: object) -> object:
    """Refuse 0.5, which would be taken as half a second after 1970: who writes it means something else."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        raise PydanticCustomError("datetime_parsing", "a date and time is expected")
    return value


def _as_utc(moment: datetime) -> datetime:
    """Take a moment without a zone as UTC, which is how the history writes them."""
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("beyond the calendar") from None


Moment = Annotated[datetime, BeforeValidator(_not_a_number), AfterValidator(_as_utc)]


@router.get("/history", responses=problem_responses(InvalidInput, NotAuthenticated, AdminRequired, StorageUnavailable))
async def read_history(
    _reader: HistoryReaderDep,
    history: HistoryDep,
    limit: Annotated[int, Query(ge=1, le=1000, description="how many records")] = 100,
    offset: Annotated[int, Query(ge=0, le=MAX_OFFSET, description="how many of the newest to skip")] = 0,
) -> HistoryAnswer:
    """List recorded requests, newest first."""
    return present_history(await history.page(limit=limit, offset=offset))


@router.delete("/history", responses=problem_responses(NotAuthenticated, AdminRequired, StorageUnavailable))
async def delete_history(_admin: AdminDep, history: HistoryDep, language: LanguageDep) -> HistoryDeleted:
    """Erase all recorded requests."""
    deleted_count = await history.clear()
    return HistoryDeleted(message=explain("history_deleted", language), deleted_count=deleted_count)


@router.get("/stats", responses=problem_responses(InvalidInput, NotAuthenticated, AdminRequired, StorageUnavailable))
async def read_stats(
    _admin: AdminDep,
    history: HistoryDep,
    since: Annotated[Moment | None, Query(description="from this moment on; UTC without a zone")] = None,
    until: Annotated[Moment | None, Query(description="before this moment; UTC without a zone")] = None,
) -> StatsAnswer:
    """Summarise recorded requests; percentiles are exact."""
    return present_stats(await history.stats(since=since, until=until))
