"""Booking appointments, showing them, moving them and closing them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from app.core.constants import AppointmentStatus, Role
from app.core.exceptions import FieldError, InvalidInput, NotFound
from app.core.names import is_plain_text
from app.core.zoned_time import MomentFault, find_zone, read_moment
from app.database.repositories.appointments import (
    AppointmentFilter,
    AppointmentPage,
    AppointmentRecord,
    AppointmentRepository,
    NewAppointment,
    Parties,
    Reader,
)
from app.services.appointment_rules import (
    Span,
    Wish,
    check_new_span,
    check_parties,
    plan_change,
    read_span,
    require_zone,
)
from app.services.callers import Caller

__all__ = ["AppointmentPage", "AppointmentRecord", "AppointmentService", "Booking", "Listing"]

UTC_NAME: Final = "UTC"
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return this moment."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Booking:
    """What somebody asks for; the patient is whoever asks where nobody is named."""

    doctor_id: int
    starts_at: str
    ends_at: str
    patient_id: int | None = None
    time_zone: str | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """Which appointments somebody asks for; the moments as they were sent."""

    status: str | None = None
    doctor_id: int | None = None
    patient_id: int | None = None
    starts_from: str | None = None
    starts_before: str | None = None
    time_zone: str | None = None


class AppointmentService:
    """Decides about appointments.

    Parameters
    ----------
    appointments
        Where they are.
    clock
        Tells what has passed.
    """

    def __init__(self, appointments: AppointmentRepository, clock: Clock = utc_now) -> None:
        self._appointments = appointments
        self._clock = clock

    async def book(self, booking: Booking, caller: Caller) -> AppointmentRecord:
        """Make an appointment.

        Raises
        ------
        LoginRequired
            The caller's key is limited to something else.
        InvalidInput
            Time, note or people will not do, or it is neither for the caller nor with them.
        AppointmentOverlap
            The doctor or the patient is taken.
        """
        caller.require_full_rights()
        patient_id = caller.user.id if booking.patient_id is None else booking.patient_id
        _check_people(caller, patient_id=patient_id, doctor_id=booking.doctor_id)
        _check_note(booking.note)
        now = self._clock()
        span = _read_booked_span(booking)
        check_new_span(span, now)
        new = NewAppointment(
            patient_id=patient_id,
            doctor_id=booking.doctor_id,
            starts_at=span.starts_at,
            ends_at=span.ends_at,
            time_zone=booking.time_zone or UTC_NAME,
            status=AppointmentStatus.BOOKED,
            note=booking.note,
        )
        check = partial(check_parties, patient_id=patient_id, doctor_id=booking.doctor_id)
        return await self._appointments.add(new, now=now, check=check)

    async def get(self, number: int, caller: Caller) -> AppointmentRecord:
        """Return an appointment.

        Raises
        ------
        LoginRequired, NotFound
            The caller's key is limited to something else; there is none, or it is somebody else's.
        """
        return _found(await self._appointments.get(number, seen_by=_reader(caller)))

    async def page(self, listing: Listing, caller: Caller, *, limit: int, offset: int) -> AppointmentPage:
        """Return appointments that the caller sees, by their start.

        Raises
        ------
        LoginRequired, InvalidInput
            The caller's key is limited to something else; a moment or the zone is none.
        """
        reader, wanted = _reader(caller), _read_filter(listing)
        return await self._appointments.page(wanted, limit=limit, offset=offset, seen_by=reader)

    async def change(
        self, number: int, values: Mapping[str, str | None], caller: Caller, *, version: int | None = None
    ) -> AppointmentRecord:
        """Change what is named of an appointment.

        Raises
        ------
        LoginRequired, NotFound
            As above.
        InvalidInput
            A value will not do, or it is not the caller's to give.
        AppointmentChanged, AppointmentSettled, AppointmentOverlap
            It was changed meanwhile, does not allow it, or the time is taken.
        """
        reader, now = _reader(caller), self._clock()
        _check_note(values.get("note"))

        def decide(current: AppointmentRecord, parties: Parties) -> Mapping[str, Any]:
            wish = Wish(values=values, version=version, manages=_manages(caller, current))
            return plan_change(current, wish, parties, now)

        return _found(await self._appointments.change(number, decide, now=now, seen_by=reader))

    async def cancel(self, number: int, caller: Caller) -> AppointmentRecord:
        """Cancel an appointment; the row stays. Doing so twice changes nothing more.

        Raises
        ------
        LoginRequired, NotFound, AppointmentSettled
            As above.
        """
        return await self.change(number, {"status": AppointmentStatus.CANCELLED}, caller)


def _found(record: AppointmentRecord | None) -> AppointmentRecord:
    if record is None:
        raise NotFound
    return record


def _reader(caller: Caller) -> Reader | None:
    """Return as whom the caller sees appointments; None where they see all."""
    caller.require_full_rights()
    return None if caller.sees is None else Reader(user_id=caller.sees, is_doctor=caller.user.role == Role.DOCTOR)


def _manages(caller: Caller, appointment: AppointmentRecord) -> bool:
    is_its_doctor = caller.user.role == Role.DOCTOR and caller.user.id == appointment.doctor_id
    return caller.is_admin or is_its_doctor


def _check_people(caller: Caller, *, patient_id: int, doctor_id: int) -> None:
    """Refuse what is not the caller's to book, whoever exists."""
    is_own = patient_id == caller.user.id or (caller.user.role == Role.DOCTOR and doctor_id == caller.user.id)
    if not (caller.is_admin or is_own):
        raise InvalidInput(errors=[FieldError(loc=("body", "patient_id"), type="appointment_of_others")])
    if patient_id == doctor_id:
        raise InvalidInput(errors=[FieldError(loc=("body", "patient_id"), type="patient_is_doctor")])


def _check_note(note: str | None) -> None:
    """Refuse controls; a note may have several lines."""
    if note is not None and not is_plain_text(note.replace("\n", " ")):
        raise InvalidInput(errors=[FieldError(loc=("body", "note"), type="text_not_plain")])


def _read_booked_span(booking: Booking) -> Span:
    zone = None if booking.time_zone is None else require_zone(booking.time_zone)
    moments = read_span({"starts_at": booking.starts_at, "ends_at": booking.ends_at}, zone)
    return Span(starts_at=moments["starts_at"], ends_at=moments["ends_at"])


def _read_filter(listing: Listing) -> AppointmentFilter:
    zone = None
    if listing.time_zone is not None and (zone := find_zone(listing.time_zone)) is None:
        raise InvalidInput(errors=[FieldError(loc=("query", "time_zone"), type="time_zone_unknown")])
    moments, faults = {}, []
    for name, text in (("from", listing.starts_from), ("to", listing.starts_before)):
        try:
            moments[name] = None if text is None else read_moment(text, zone)
        except MomentFault as fault:
            faults.append(FieldError(loc=("query", name), type=fault.code))
    if faults:
        raise InvalidInput(errors=faults)
    return AppointmentFilter(
        status=listing.status,
        doctor_id=listing.doctor_id,
        patient_id=listing.patient_id,
        starts_from=moments["from"],
        starts_before=moments["to"],
    )
