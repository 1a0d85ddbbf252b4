"""What may be done to an appointment: by whom, when, and in which order. Nothing here reads or writes anything."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo

from app.core.constants import ACTIVE_APPOINTMENTS, AppointmentStatus, Role
from app.core.exceptions import AppointmentChanged, AppointmentSettled, FieldError, InvalidInput
from app.core.zoned_time import MomentFault, find_zone, read_moment
from app.database.repositories.appointments import AppointmentRecord, Parties

SHORTEST: Final = timedelta(minutes=5)
LONGEST: Final = timedelta(hours=8)
FARTHEST: Final = timedelta(days=731)
NEXT: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        AppointmentStatus.BOOKED: frozenset({AppointmentStatus.CONFIRMED, AppointmentStatus.CANCELLED}),
        AppointmentStatus.CONFIRMED: frozenset(
            {AppointmentStatus.COMPLETED, AppointmentStatus.NO_SHOW, AppointmentStatus.CANCELLED}
        ),
        AppointmentStatus.COMPLETED: frozenset(),
        AppointmentStatus.CANCELLED: frozenset(),
        AppointmentStatus.NO_SHOW: frozenset(),
    }
)
"""What an appointment may become, by what it is."""
_SAID_AFTERWARDS: Final = frozenset({AppointmentStatus.COMPLETED, AppointmentStatus.NO_SHOW})


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """From when to when."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What somebody asks to be changed, as it was sent.

    Attributes
    ----------
    values
        What the body names of `starts_at`, `ends_at`, `time_zone`, `status` and `note`.
    version
        What they have seen; None where they do not say.
    manages
        Whether it is the doctor or an administrator; the patient may do less.
    """

    values: Mapping[str, str | None]
    version: int | None
    manages: bool


def require_zone(name: str) -> ZoneInfo:
    """Return the zone that a body names.

    Raises
    ------
    InvalidInput
        There is none of this name.
    """
    zone = find_zone(name)
    if zone is None:
        raise InvalidInput(errors=[_fault("time_zone", "time_zone_unknown")])
    return zone


def read_span(values: Mapping[str, str | None], zone: ZoneInfo | None) -> Mapping[str, datetime]:
    """Read those of `starts_at` and `ends_at` that are named.

    Raises
    ------
    InvalidInput
        One of them is no moment.
    """
    moments, faults = {}, []
    for name in ("starts_at", "ends_at"):
        text = values.get(name)
        if text is None:
            continue
        try:
            moments[name] = read_moment(text, zone)
        except MomentFault as fault:
            faults.append(_fault(name, fault.code))
    if faults:
        raise InvalidInput(errors=faults)
    return moments


def check_new_span(span: Span, now: datetime) -> None:
    """Refuse a time for which nothing can be booked.

    Raises
    ------
    InvalidInput
        It has passed, is too far away, too short or too long.
    """
    _check_length(span)
    if span.starts_at < now:
        raise InvalidInput(errors=[_fault("starts_at", "moment_past")])
    if span.starts_at > now + FARTHEST:
        raise _too_far()


def check_parties(parties: Parties, *, patient_id: int, doctor_id: int) -> None:
    """Refuse accounts that cannot meet.

    Raises
    ------
    InvalidInput
        There is no such doctor or patient, or their account is closed.
    """
    doctor, patient = parties.get(doctor_id), parties.get(patient_id)
    if doctor is None or not doctor.is_active or doctor.role != Role.DOCTOR:
        raise InvalidInput(errors=[_fault("doctor_id", "doctor_unknown")])
    if patient is None or not patient.is_active:
        raise InvalidInput(errors=[_fault("patient_id", "patient_unknown")])


def plan_change(current: AppointmentRecord, wish: Wish, parties: Parties, now: datetime) -> Mapping[str, Any]:
    """Return what has to be written for a wish, nothing where all is so already.

    Raises
    ------
    AppointmentChanged
        It is not any more what they have seen.
    InvalidInput
        A value will not do, or it is not theirs to give.
    AppointmentSettled
        The appointment does not allow it, now or ever.
    """
    if wish.version is not None and wish.version != current.version:
        raise AppointmentChanged
    span, status = _planned_span(current, wish), wish.values.get("status") or current.status
    moves = (span.starts_at, span.ends_at) != (current.starts_at, current.ends_at)
    if status != current.status:
        _check_status(current, status, wish, now)
    if moves:
        _check_move(current, status, span, parties, now)
        if not wish.manages and status == AppointmentStatus.CONFIRMED:
            status = AppointmentStatus.BOOKED  # another time is for the doctor to confirm anew
    planned = {
        "starts_at": span.starts_at,
        "ends_at": span.ends_at,
        "time_zone": wish.values.get("time_zone") or current.time_zone,
        "status": status,
        "note": wish.values.get("note", current.note),
    }
    changed = {name: value for name, value in planned.items() if value != getattr(current, name)}
    if changed and not wish.manages and not (current.is_active and now < current.starts_at):
        raise AppointmentSettled
    return changed


def _planned_span(current: AppointmentRecord, wish: Wish) -> Span:
    """Return when it is to be; a new start alone moves it with its length."""
    named = wish.values.get("time_zone")
    moments = read_span(wish.values, require_zone(named) if named else find_zone(current.time_zone))
    starts_at = moments.get("starts_at", current.starts_at)
    if "ends_at" in moments:
        return Span(starts_at=starts_at, ends_at=moments["ends_at"])
    try:
        return Span(starts_at=starts_at, ends_at=starts_at + (current.ends_at - current.starts_at))
    except OverflowError:
        raise _too_far() from None


def _check_status(current: AppointmentRecord, status: str, wish: Wish, now: datetime) -> None:
    if not wish.manages and status != AppointmentStatus.CANCELLED:
        allowed = {"expected": AppointmentStatus.CANCELLED.value}
        raise InvalidInput(errors=[_fault("status", "not_one_of", **allowed)])
    if status not in NEXT[current.status]:
        raise AppointmentSettled
    if status in _SAID_AFTERWARDS and now < current.starts_at:
        raise AppointmentSettled


def _check_move(current: AppointmentRecord, status: str, span: Span, parties: Parties, now: datetime) -> None:
    if not (current.is_active and status in ACTIVE_APPOINTMENTS):
        raise AppointmentSettled
    if span.starts_at != current.starts_at:
        check_new_span(span, now)
        check_parties(parties, patient_id=current.patient_id, doctor_id=current.doctor_id)
        return
    _check_length(span)
    if span.ends_at < now:
        raise InvalidInput(errors=[_fault("ends_at", "moment_past")])


def _check_length(span: Span) -> None:
    if not SHORTEST <= span.ends_at - span.starts_at <= LONGEST:
        limits = {"min_minutes": SHORTEST // timedelta(minutes=1), "max_minutes": LONGEST // timedelta(minutes=1)}
        raise InvalidInput(errors=[_fault("ends_at", "appointment_length", **limits)])


def _too_far() -> InvalidInput:
    return InvalidInput(errors=[_fault("starts_at", "moment_too_far", max_days=FARTHEST.days)])


def _fault(name: str, kind: str, **params: object) -> FieldError:
    return FieldError(loc=("body", name), type=kind, params=params or None)
