"""One ECG as a form: the JSON in `data`, and the patient there or in fields of the form."""

from collections.abc import Sequence
from typing import Final

from app.api.faults import MAX_FAULTS
from app.api.parsing.fields import PATIENT_FIELDS, check_fields
from app.api.parsing.json_ecg import read_json
from app.api.parsing.multipart import FormPart, cut_parts
from app.core.exceptions import FieldError, UnsupportedContentType
from app.models.ecg import KnownPatient, PatientFields, Sample

DATA: Final = "data"
_TAKEN: Final = (DATA, *PATIENT_FIELDS)
_NOT_TAKEN_YET: Final = frozenset({"image", "file"})
_KNOWN: Final = {"known": ", ".join(_TAKEN)}
_MAX_FIELD_BYTES: Final = 64


def read_form(body: bytes | bytearray, content_type: str) -> Sample:
    """Read the form.

    Raises
    ------
    UnsupportedContentType
        It carries the ECG as an image or as a file of a device.
    """
    parts = cut_parts(body, content_type)
    if isinstance(parts, FieldError):
        return Sample(faults=(parts,))
    if any(part.name in _NOT_TAKEN_YET for part in parts):
        raise UnsupportedContentType("form_part_not_taken", known=_KNOWN["known"])
    values, known, faults = _read_patient(body, parts)
    faults = (*_check_names(parts), *faults)
    if faults:
        return Sample(known=known, faults=faults[:MAX_FAULTS])
    data = next(part for part in parts if part.name == DATA)
    return read_json(memoryview(body)[data.start : data.end], ("body", DATA), beside=values)


def _check_names(parts: Sequence[FormPart]) -> list[FieldError]:
    names = [part.name for part in parts]
    faults = [FieldError(loc=("body", name), type="duplicate_key") for name in _TAKEN if names.count(name) > 1]
    if any(name not in _TAKEN for name in names):
        faults.append(FieldError(loc=("body",), type="unknown_field", params=_KNOWN))
    if DATA not in names:
        faults.append(FieldError(loc=("body", DATA), type="missing"))
    return faults


def _read_patient(
    body: bytes | bytearray, parts: Sequence[FormPart]
) -> tuple[dict[str, object], KnownPatient, tuple[FieldError, ...]]:
    """Turn texts into the values that JSON would have held."""
    texts: dict[str, object] = {}
    faults: list[FieldError] = []
    for part in parts:
        if part.name not in PATIENT_FIELDS:
            continue
        if part.end - part.start > _MAX_FIELD_BYTES:
            faults.append(FieldError(loc=("body", part.name), type="value_too_long"))
        else:
            texts[part.name] = bytes(body[part.start : part.end]).decode("utf-8", "replace")
    fields, known, wrong = check_fields(PatientFields, texts, ("body",), as_text=True)
    values = {} if fields is None else fields.model_dump(exclude_unset=True)
    return values, known, (*faults, *wrong)
