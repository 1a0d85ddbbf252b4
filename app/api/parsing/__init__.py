"""Reading ECGs from requests: a new form is a file here and a row in the table."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from app.api.parsing.json_batch import MAX_SAMPLES, Batch, split_batch
from app.api.parsing.json_ecg import read_json
from app.api.parsing.npy import read_npy
from app.api.parsing.upload import BodyBudget, Upload
from app.core.constants import Source
from app.core.exceptions import UnsupportedContentType
from app.models.ecg import Sample

__all__ = [
    "MAX_SAMPLES",
    "READERS",
    "Batch",
    "BodyBudget",
    "Sample",
    "Upload",
    "choose_reader",
    "read_json",
    "split_batch",
]

Reader = Callable[[Upload], Sample]

JSON: Final = "application/json"

READERS: Final[Mapping[str, tuple[Source, Reader]]] = MappingProxyType(
    {
        JSON: (Source.JSON, lambda upload: read_json(upload.body)),
        "application/x-npy": (Source.NPY, lambda upload: read_npy(upload.body, upload.query)),
    }
)
"""What reads a body, by its content type."""


def choose_reader(
    content_type: str | None, *, readers: Mapping[str, tuple[Source, Reader]] = READERS
) -> tuple[Source, Reader]:
    """Return the form of the body and what reads it.

    Raises
    ------
    UnsupportedContentType
        No reader takes that type.
    """
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type not in readers:
        raise UnsupportedContentType(headers={"Accept": ", ".join(readers)})
    return readers[media_type]
