"""Reading ECGs from requests: a new form is a file here and a row in the table."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeVar

from app.api.parsing.json_batch import split_batch
from app.api.parsing.json_ecg import read_json
from app.api.parsing.npy import read_npy
from app.api.parsing.upload import BodyBudget, Upload
from app.core.constants import Source
from app.core.exceptions import UnsupportedContentType
from app.models.ecg import Batch, Sample

__all__ = ["BATCH_READERS", "READERS", "BodyBudget", "Upload", "choose_reader"]

_JSON: Final = "application/json"
_PLAIN: Final = "identity"

READERS: Final[Mapping[str, tuple[Source, Callable[[Upload], Sample]]]] = MappingProxyType(
    {
        _JSON: (Source.JSON, lambda upload: read_json(upload.body)),
        "application/x-npy": (Source.NPY, lambda upload: read_npy(upload.body, upload.query)),
    }
)
"""What reads one ECG from a body, by its content type."""

BATCH_READERS: Final[Mapping[str, tuple[Source, Callable[[Upload], Batch]]]] = MappingProxyType(
    {_JSON: (Source.JSON, lambda upload: split_batch(upload.body))}
)
"""What cuts a body into ECGs, by its content type."""

Reader = TypeVar("Reader")


def choose_reader(headers: Mapping[str, str], readers: Mapping[str, tuple[Source, Reader]]) -> tuple[Source, Reader]:
    """Return the form of the body and what reads it.

    Raises
    ------
    UnsupportedContentType
        No reader takes that type, or the body is compressed; the answer names what is taken.
    """
    if headers.get("content-encoding", _PLAIN).strip().lower() != _PLAIN:
        raise UnsupportedContentType("content_encoding", headers={"Accept-Encoding": _PLAIN})
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in readers:
        raise UnsupportedContentType(headers={"Accept": ", ".join(readers)})
    return readers[media_type]
