"""Checking what stands beside a signal."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from app.api.faults import faults_from_pydantic
from app.core.exceptions import FieldError
from app.ecg.record import LEADS, NO_HEART_AXIS, ECGRecord, FloatArray, Patient
from app.models.ecg import ECGFields, KnownPatient

PATIENT_FIELDS = tuple(KnownPatient.model_fields)

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
        return None, KnownPatient.model_validate(right), faults_from_pydantic(errors, loc)
    return fields, KnownPatient.model_construct(**{name: getattr(fields, name) for name in PATIENT_FIELDS}), ()


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
