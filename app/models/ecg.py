"""Shapes of an ECG as it arrives."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.core.exceptions import FieldError
from app.ecg.pipeline import MAX_RATE_HZ, MIN_RATE_HZ
from app.ecg.record import ECGRecord

HeartAxis = Literal["ALAD", "ARAD", "AXL", "AXR", "LAD", "MID", "RAD", "SAG", "NO_DATA"]
Units = Literal["mV", "uV"]
Dtype = Literal["float32", "int16"]


def _integral(value: object) -> object:
    """Take 1.0 for 1: tables with gaps write their integers so."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Age = Annotated[float, Field(ge=0, le=120, description="age, years", examples=[55])]
Sex = Annotated[int, BeforeValidator(_integral), Field(ge=0, le=1, description="0 female, 1 male", examples=[1])]
Height = Annotated[float, Field(ge=30, le=272, description="height, cm", examples=[175])]
Weight = Annotated[float, Field(ge=1, le=700, description="weight, kg", examples=[80])]
Axis = Annotated[HeartAxis, Field(description="heart axis; `NO_DATA` when unknown", examples=["MID"])]

_STRICT = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownPatient:
    """The patient's fields of a request, as far as they were right."""

    age: float | None = None
    sex: int | None = None
    height: float | None = None
    weight: float | None = None
    heart_axis: str | None = None


class PatientFields(BaseModel):
    """The patient alone, each field as it is in a request, and each may be absent."""

    model_config = _STRICT

    age: Age | None = None
    sex: Sex | None = None
    height: Height | None = None
    weight: Weight | None = None
    heart_axis: Axis | None = None


class ECGFields(BaseModel):
    """Everything that comes with the signal."""

    model_config = _STRICT

    age: Age
    sex: Sex
    height: Height
    weight: Weight
    heart_axis: Axis
    sampling_rate_hz: float | None = Field(
        default=None,
        ge=MIN_RATE_HZ,
        le=MAX_RATE_HZ,
        description="when given, 5-60 s at this rate are taken, resampled to 500 Hz and cut to the best 10 s",
    )
    units: Units | None = Field(default="mV", description="unit of the signal")
    leads: list[Annotated[str, Field(min_length=1, max_length=16)]] | None = Field(
        default=None,
        min_length=1,
        max_length=32,
        description="names of the columns, in order; two of I, II and III are enough for the six limb leads",
    )


class ECGFieldsWithShape(ECGFields):
    """What stands beside the signal in JSON."""

    shape: list[Annotated[int, Field(ge=1, le=10_000_000)]] | None = Field(
        default=None, min_length=2, max_length=2, description="`[samples, leads]` of a flat `ecg_signal`"
    )


class ECGFieldsWithDtype(ECGFields):
    """What stands in the query beside bare numbers."""

    dtype: Dtype | None = Field(
        default=None, description="type of the numbers; needed where the size of the body does not tell"
    )


class ForwardRequest(ECGFieldsWithShape):
    """One ECG and its patient. The schema documents the body; the signal itself is read without making lists of it."""

    ecg_signal: list[list[float]] | list[float] = Field(
        description="`[5000][12]`: 10 s at 500 Hz, mV, leads I, II, III, aVR, aVL, aVF, V1-V6; or flat, with `shape`"
    )


class BatchRequest(BaseModel):
    """Up to 256 ECGs."""

    model_config = ConfigDict(extra="forbid")

    samples: list[ForwardRequest] = Field(min_length=1, max_length=256)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One ECG after reading: either a record, or what is wrong with it."""

    #: None when there are faults
    record: ECGRecord | None = None
    #: the patient's fields that could be read
    known: KnownPatient = field(default_factory=KnownPatient)
    faults: tuple[FieldError, ...] = ()


Read = Callable[[], Sample]


@dataclass(frozen=True, slots=True)
class Part:
    """One ECG of a batch, not yet read."""

    read: Read
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch cut into its ECGs, or what is wrong with its outside."""

    parts: tuple[Part, ...] = ()
    faults: tuple[FieldError, ...] = ()
