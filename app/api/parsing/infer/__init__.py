"""Reading requests of the Open Inference Protocol, version 2."""

from types import MappingProxyType
from typing import Final

from app.api.parsing.infer.request import HEADER_LENGTH, read_infer
from app.api.parsing.readers import UNDECLARED, Readers
from app.core.constants import Source
from app.models.ecg import Batch
from app.models.oip import InferRequest

__all__ = ["HEADER_LENGTH", "INFER_READERS"]

# Clients of the protocol call their bodies any of these; a header tells where the JSON ends.
_TYPES: Final = ("application/json", "application/octet-stream", UNDECLARED)

INFER_READERS: Final[Readers[InferRequest]] = Readers(
    MappingProxyType(dict.fromkeys(_TYPES, (Source.OIP, read_infer))),
    refuse=lambda fault: InferRequest(batch=Batch(faults=(fault,))),
)
"""What reads a request to infer, by its content type."""
