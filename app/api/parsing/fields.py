"""Checking what stands beside a signal."""

import dataclasses
from collections.abc import Mapping
from operator import attrgetter
from typing import Final, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from app.api.faults import faults_from_pydantic
from app.core.exceptions import FieldError
from app.ecg.record import LEADS, NO_HEART_AXIS, ECGRecord, FloatArray, Patient
from app.models.ecg import ECGFields, KnownPatient

PATIENT_FIELDS: Final = tuple(field.name for field in dataclasses.fields(KnownPatient))
_READ_PATIENT: Final = attrgetter(*PATIENT_FIELDS)
_KNOWN_PATIENT: Final = TypeAdapter(KnownPatient)

Fields = TypeVar("Fields", bound=BaseModel)


def check_fields(
    model: type[Fields], values: Mapping[str, object], loc: tuple[str | int, ...], *, as_text: bool = False
) -> tuple[Fields | None, KnownPatient, tuple[FieldError, ...]]:
    """Validate the fields.

    Parameters
    ----------
    model
        The fields that are allowed here.
    values
        What arrived.
    loc
        Where it stood.
    as_text
        Whether the values are strings, as in a query.

    Returns
    -------
    fields
        None when there are faults.
    known
        The patient's fields that are right, also when others are not.
    faults
        What is wrong, by field.
    """
    try:
        fields = model.model_validate(values, strict=not as_text)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        wrong = {item["loc"][0] for item in errors if item["loc"]}
        right = {name: values[name] for name in PATIENT_FIELDS if name in values and name not in wrong}
        return None, _KNOWN_PATIENT.validate_python(right), faults_from_pydantic(errors, loc)
    return fields, KnownPatient(**dict(zip(PATIENT_FIELDS, _READ_PATIENT(fields), strict=True))), ()


def make_patient(fields: ECGFields | KnownPatient) -> Patient:
    """Return the patient as the signal code knows him."""
    return Patient(
        age_years=fields.age,
        sex=fields.sex,
        height_cm=fields.height,
        weight_kg=fields.weight,
        heart_axis=fields.heart_axis or NO_HEART_AXIS,
    )


def make_record(signal: FloatArray, fields: ECGFields) -> ECGRecord:
    """Join a signal with what stood beside it."""
    return ECGRecord(
        signal=signal,
        sampling_rate_hz=fields.sampling_rate_hz,
        leads=LEADS if fields.leads is None else tuple(fields.leads),
        units=fields.units or "mV",
        patient=make_patient(fields),
    )
