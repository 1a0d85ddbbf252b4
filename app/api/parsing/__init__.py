"""Reading ECGs from requests: a new form is a file here and a row in the table."""

from collections.abc import Callable
from types import MappingProxyType
from typing import Final, TypeVar

from app.api.parsing.form import read_form
from app.api.parsing.json_batch import split_batch
from app.api.parsing.json_ecg import read_json
from app.api.parsing.npy import read_npy
from app.api.parsing.query import find_unread_field
from app.api.parsing.raw import read_raw
from app.api.parsing.readers import Readers, choose_reader
from app.api.parsing.upload import BodyBudget, Upload
from app.core.constants import Source
from app.core.exceptions import FieldError
from app.models.ecg import Batch, Sample

__all__ = ["BATCH_READERS", "READERS", "BodyBudget", "Readers", "Upload", "choose_reader"]

Body = bytes | bytearray
Result = TypeVar("Result")

_JSON: Final = "application/json"


def _holding_everything(
    read: Callable[[Body], Result], refuse: Callable[[FieldError], Result]
) -> Callable[[Upload], Result]:
    """Return a reader of bodies that need no query: what stood there would be believed by its caller only."""

    def read_upload(upload: Upload) -> Result:
        fault = find_unread_field(upload.query)
        return read(upload.body) if fault is None else refuse(fault)

    return read_upload


def _refuse_ecg(fault: FieldError) -> Sample:
    return Sample(faults=(fault,))


def _refuse_batch(fault: FieldError) -> Batch:
    return Batch(faults=(fault,))


READERS: Final[Readers[Sample]] = Readers(
    MappingProxyType(
        {
            _JSON: (Source.JSON, _holding_everything(read_json, _refuse_ecg)),
            "application/x-npy": (Source.NPY, lambda upload: read_npy(upload.body, upload.query)),
            "application/octet-stream": (Source.RAW, lambda upload: read_raw(upload.body, upload.query)),
            "multipart/form-data": (
                Source.FORM,
                lambda upload: read_form(upload.body, upload.headers.get("content-type", "")),
            ),
        }
    ),
    refuse=_refuse_ecg,
)
"""What reads one ECG from a body, by its content type."""

BATCH_READERS: Final[Readers[Batch]] = Readers(
    MappingProxyType({_JSON: (Source.JSON, _holding_everything(split_batch, _refuse_batch))}),
    refuse=_refuse_batch,
)
"""What cuts a body into ECGs, by its content type."""
