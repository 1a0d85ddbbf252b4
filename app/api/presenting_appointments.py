"""From appointments to the shapes of the answers."""

from dataclasses import asdict

from app.core.zoned_time import in_zone
from app.models.appointments import AppointmentAnswer, AppointmentsAnswer
from app.services.appointments import AppointmentPage, AppointmentRecord


def present_appointment(record: AppointmentRecord) -> AppointmentAnswer:
    """Return an appointment as the clocks of its zone show it; what is read back is the same moment."""
    times = {name: in_zone(getattr(record, name), record.time_zone).isoformat() for name in ("starts_at", "ends_at")}
    return AppointmentAnswer.model_validate({**asdict(record), **times})


def present_appointments(page: AppointmentPage) -> AppointmentsAnswer:
    """Return a page of them."""
    return AppointmentsAnswer(total=page.total, appointments=[present_appointment(one) for one in page.appointments])
