"""Reading ECGs from requests: a new form is a file here and a row in the table."""

from types import MappingProxyType
from typing import Final

from app.api.parsing.form import read_form
from app.api.parsing.json_batch import split_batch
from app.api.parsing.json_ecg import read_json
from app.api.parsing.npy import read_npy
from app.api.parsing.query import check_options
from app.api.parsing.raw import read_raw
from app.api.parsing.readers import Readers, choose_reader
from app.api.parsing.upload import BodyBudget, Upload
from app.core.constants import Source
from app.models.ecg import Batch, Sample

__all__ = ["BATCH_READERS", "READERS", "BodyBudget", "Readers", "Upload", "choose_reader"]

_JSON: Final = "application/json"


def _read_json(upload: Upload) -> Sample:
    """Read an object that holds everything; what stands in the query as well would be believed by its caller only."""
    faults = check_options(upload.query)
    return Sample(faults=faults) if faults else read_json(upload.body)


def _split_json(upload: Upload) -> Batch:
    faults = check_options(upload.query)
    return Batch(faults=faults) if faults else split_batch(upload.body)


READERS: Final[Readers[Sample]] = Readers(
    MappingProxyType(
        {
            _JSON: (Source.JSON, _read_json),
            "application/x-npy": (Source.NPY, lambda upload: read_npy(upload.body, upload.query)),
            "application/octet-stream": (Source.RAW, lambda upload: read_raw(upload.body, upload.query)),
            "multipart/form-data": (
                Source.FORM,
                lambda upload: read_form(upload.body, upload.headers.get("content-type", "")),
            ),
        }
    ),
    refuse=lambda fault: Sample(faults=(fault,)),
)
"""What reads one ECG from a body, by its content type."""

BATCH_READERS: Final[Readers[Batch]] = Readers(
    MappingProxyType({_JSON: (Source.JSON, _split_json)}),
    refuse=lambda fault: Batch(faults=(fault,)),
)
"""What cuts a body into ECGs, by its content type."""
