"""Appointments for calendars."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Response

from app.api.deps import CallerDep, LanguageDep, StateDep
from app.api.errors import problem_responses
from app.api.presenting_calendar import MEDIA_TYPE, render_calendar
from app.api.v1.addressing import BEFORE_DOT
from app.core.constants import MAX_ID
from app.core.exceptions import InvalidInput, LoginRequired, NotAuthenticated, NotFound, StorageUnavailable
from app.models.appointments import AppointmentQuery
from app.services.appointments import Listing

router = APIRouter(tags=["appointments"])

_CALENDAR: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "A calendar as in RFC 5545", "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}
}
_REFUSALS: Final = (InvalidInput, NotAuthenticated, LoginRequired, StorageUnavailable)


@router.get("/appointments.ics", response_class=Response, responses={**_CALENDAR, **problem_responses(*_REFUSALS)})
async def list_appointments_as_calendar(
    state: StateDep, caller: CallerDep, language: LanguageDep, query: Annotated[AppointmentQuery, Query()]
) -> Response:
    """List appointments as a calendar, by the same filters."""
    listing = Listing(**query.model_dump(exclude={"limit", "offset"}))
    page = await state.appointments.page(listing, caller, limit=query.limit, offset=query.offset)
    return render_calendar(page.appointments, language)


@router.get(
    f"/appointments/{{appointment_id:{BEFORE_DOT}}}.ics",
    response_class=Response,
    responses={**_CALENDAR, **problem_responses(*_REFUSALS, NotFound)},
)
async def read_appointment_as_calendar(
    state: StateDep, caller: CallerDep, language: LanguageDep, appointment_id: Annotated[int, Path(ge=1, le=MAX_ID)]
) -> Response:
    """Show an appointment as a calendar of one."""
    return render_calendar([await state.appointments.get(appointment_id, caller)], language)
