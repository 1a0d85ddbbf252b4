"""Appointments as calendars read them (RFC 5545). Moments are written in UTC, so no rules of clocks go with them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from starlette.responses import Response

from app.core.constants import AppointmentStatus
from app.core.messages import Language, explain
from app.core.version import VERSION
from app.services.appointments import AppointmentRecord

MEDIA_TYPE: Final = "text/calendar"
MAX_LINE_BYTES: Final = 75
_STATUSES: Final[Mapping[str, str]] = MappingProxyType(
    {AppointmentStatus.BOOKED: "TENTATIVE", AppointmentStatus.CANCELLED: "CANCELLED"}
)
"""What calendars call a state; all others are `CONFIRMED`."""
_ESCAPES: Final = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"})


def render_calendar(appointments: Sequence[AppointmentRecord], language: Language) -> Response:
    """Write a calendar of these appointments."""
    return Response(
        write_calendar(appointments, language),
        media_type=MEDIA_TYPE,
        headers={"Content-Disposition": 'attachment; filename="appointments.ics"'},
    )


def write_calendar(appointments: Sequence[AppointmentRecord], language: Language) -> bytes:
    """Return the calendar as it is sent."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:-//ECG service//{VERSION}//EN", "METHOD:PUBLISH"]
    for appointment in appointments:
        lines += _event(appointment, language)
    lines.append("END:VCALENDAR")
    return b"".join(fold(line) for line in lines)


def fold(line: str) -> bytes:
    """Write a line, continued where it is longer than 75 bytes, and never within a letter."""
    written, room = bytearray(), MAX_LINE_BYTES
    for character in line:
        letter = character.encode()
        if len(letter) > room:
            written += b"\r\n "
            room = MAX_LINE_BYTES - 1
        written += letter
        room -= len(letter)
    return bytes(written + b"\r\n")


def _event(appointment: AppointmentRecord, language: Language) -> Iterator[str]:
    yield "BEGIN:VEVENT"
    # Numbers begin anew in another installation; the moment tells two of them apart.
    yield f"UID:appointment-{appointment.id}-{appointment.created_at:%Y%m%d%H%M%S%f}@ecg-service"
    yield f"DTSTAMP:{_utc(appointment.updated_at)}"
    yield f"CREATED:{_utc(appointment.created_at)}"
    yield f"LAST-MODIFIED:{_utc(appointment.updated_at)}"
    yield f"DTSTART:{_utc(appointment.starts_at)}"
    yield f"DTEND:{_utc(appointment.ends_at)}"
    yield f"SEQUENCE:{appointment.version - 1}"
    yield f"STATUS:{_STATUSES.get(appointment.status, 'CONFIRMED')}"
    yield f"SUMMARY:{_text(explain('appointment_summary', language))}"
    if appointment.note is not None:
        yield f"DESCRIPTION:{_text(appointment.note)}"
    yield "END:VEVENT"


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _text(text: str) -> str:
    return text.translate(_ESCAPES)
