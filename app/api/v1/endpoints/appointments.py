"""Appointments of patients with doctors."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Response, status

from app.api.deps import CallerDep, StateDep
from app.api.errors import problem_responses
from app.api.json_body import require_json
from app.api.presenting_appointments import present_appointment, present_appointments
from app.api.v1.addressing import BEFORE_DOT
from app.core.constants import API_PREFIX, MAX_ID
from app.core.exceptions import (
    AppointmentChanged,
    AppointmentOverlap,
    AppointmentSettled,
    BodyTooLarge,
    InvalidInput,
    LoginRequired,
    NotAuthenticated,
    NotFound,
    Overloaded,
    StorageUnavailable,
    UnsupportedContentType,
)
from app.models.appointments import (
    AppointmentAnswer,
    AppointmentChange,
    AppointmentQuery,
    AppointmentRequest,
    AppointmentsAnswer,
)
from app.services.appointments import Booking, Listing

router = APIRouter(prefix="/appointments", tags=["appointments"])

_BODY: Final = (InvalidInput, BodyTooLarge, UnsupportedContentType)
_WHO: Final = (NotAuthenticated, LoginRequired)
_WRITE: Final = (Overloaded, StorageUnavailable)
_ONE: Final = f"/{{appointment_id:{BEFORE_DOT}}}"
AppointmentId = Annotated[int, Path(ge=1, le=MAX_ID)]


@router.get("", responses=problem_responses(InvalidInput, *_WHO, StorageUnavailable))
async def list_appointments(
    state: StateDep, caller: CallerDep, query: Annotated[AppointmentQuery, Query()]
) -> AppointmentsAnswer:
    """List appointments by their start: one's own, to administrators all."""
    listing = Listing(**query.model_dump(exclude={"limit", "offset"}))
    page = await state.appointments.page(listing, caller, limit=query.limit, offset=query.offset)
    return present_appointments(page)


@router.post(
    "",
    dependencies=[Depends(require_json)],
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(*_BODY, *_WHO, AppointmentOverlap, *_WRITE),
)
async def book_appointment(
    state: StateDep, caller: CallerDep, body: AppointmentRequest, response: Response
) -> AppointmentAnswer:
    """Book a time: for oneself, as a doctor with oneself, as an administrator for anybody."""
    made = await state.appointments.book(Booking(**body.model_dump()), caller)
    response.headers["Location"] = f"{API_PREFIX}/appointments/{made.id}"
    return present_appointment(made)


@router.get(_ONE, responses=problem_responses(InvalidInput, *_WHO, NotFound, StorageUnavailable))
async def read_appointment(state: StateDep, caller: CallerDep, appointment_id: AppointmentId) -> AppointmentAnswer:
    """Show an appointment: one's own, to administrators any."""
    return present_appointment(await state.appointments.get(appointment_id, caller))


@router.put(
    _ONE,
    dependencies=[Depends(require_json)],
    responses=problem_responses(
        *_BODY, *_WHO, NotFound, AppointmentOverlap, AppointmentSettled, AppointmentChanged, *_WRITE
    ),
)
async def change_appointment(
    state: StateDep, caller: CallerDep, appointment_id: AppointmentId, body: AppointmentChange
) -> AppointmentAnswer:
    """Change what the body names: move it, confirm it, close it."""
    values = body.model_dump(exclude_unset=True, exclude={"version"})
    changed = await state.appointments.change(appointment_id, values, caller, version=body.version)
    return present_appointment(changed)


@router.delete(
    _ONE,
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problem_responses(InvalidInput, *_WHO, NotFound, AppointmentSettled, *_WRITE),
)
async def cancel_appointment(state: StateDep, caller: CallerDep, appointment_id: AppointmentId) -> None:
    """Cancel an appointment; it stays to be seen as `cancelled`."""
    await state.appointments.cancel(appointment_id, caller)
