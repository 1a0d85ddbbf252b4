"""Shapes of what is said about appointments."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.core.constants import MAX_ID, MAX_NOTE_CHARACTERS
from app.core.zoned_time import MAX_ZONE_CHARACTERS
from app.models.schemas import Moment

MAX_MOMENT_CHARACTERS = 40

Status = Literal["booked", "confirmed", "completed", "cancelled", "no_show"]
UserId = Annotated[int, Field(ge=1, le=MAX_ID)]
WrittenMoment = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_MOMENT_CHARACTERS,
        description="ISO 8601 with an offset, or without one as local time in `time_zone`",
        examples=["2027-03-01T10:00:00+03:00"],
    ),
]
ZoneName = Annotated[
    str,
    Field(min_length=1, max_length=MAX_ZONE_CHARACTERS, description="IANA name", examples=["Europe/Moscow"]),
]
_Note = Annotated[str, Field(min_length=1, max_length=MAX_NOTE_CHARACTERS)]


def _without_default(schema: dict[str, Any]) -> None:
    """Say nothing of a default that is never used: what is not named stays as it is."""
    del schema["default"]


class AppointmentRequest(BaseModel):
    """A new appointment."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    doctor_id: UserId
    patient_id: UserId | None = Field(default=None, description="whoever asks, where nobody is named")
    starts_at: WrittenMoment
    ends_at: WrittenMoment = Field(examples=["2027-03-01T10:30:00+03:00"])
    time_zone: ZoneName | None = Field(default=None, description="what it is shown in; `UTC` where it is not given")
    note: _Note | None = None


class AppointmentChange(BaseModel):
    """What is to be changed; what is not named stays. A new `starts_at` alone moves it with its length."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    starts_at: WrittenMoment = Field(default="", json_schema_extra=_without_default)
    ends_at: WrittenMoment = Field(default="", json_schema_extra=_without_default)
    time_zone: ZoneName = Field(default="", json_schema_extra=_without_default)
    status: Status = Field(default="booked", json_schema_extra=_without_default)
    note: _Note | None = None
    version: int | None = Field(
        default=None, ge=1, le=MAX_ID, description="what was read; 409 where somebody changed it since"
    )


class AppointmentQuery(BaseModel):
    """Which appointments are asked for."""

    model_config = ConfigDict(hide_input_in_errors=True)

    status: Status | None = Field(default=None, description="how far they have come")
    doctor_id: UserId | None = Field(default=None, description="with this doctor")
    patient_id: UserId | None = Field(default=None, description="of this patient")
    starts_from: WrittenMoment | None = Field(default=None, alias="from", description="start at this moment or later")
    starts_before: WrittenMoment | None = Field(default=None, alias="to", description="start before this moment")
    time_zone: ZoneName | None = Field(default=None, description="where moments without an offset are meant")
    limit: int = Field(default=100, ge=1, le=1000, description="how many appointments")
    offset: int = Field(default=0, ge=0, le=MAX_ID, description="how many of the earliest to skip")


class AppointmentAnswer(BaseModel):
    """An appointment."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    patient_id: int
    doctor_id: int
    starts_at: str = Field(description="in `time_zone`, with its offset", examples=["2027-03-01T10:00:00+03:00"])
    ends_at: str = Field(description="likewise", examples=["2027-03-01T10:30:00+03:00"])
    time_zone: str = Field(examples=["Europe/Moscow"])
    status: Status
    note: str | None
    version: int = Field(description="grows with every change")
    created_at: Moment = Field(description="UTC")
    updated_at: Moment = Field(description="UTC")


class AppointmentsAnswer(BaseModel):
    """A page of appointments by their start."""

    total: int
    appointments: list[AppointmentAnswer]
