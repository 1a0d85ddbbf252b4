"""One ECG as a NumPy .npy body; the patient's fields stand in the query."""

import math
import re
from collections.abc import Sequence
from typing import Final, Literal

import numpy as np

from app.api.parsing.fields import make_record
from app.api.parsing.query import read_query
from app.core.exceptions import FieldError
from app.ecg.record import FloatArray
from app.models.ecg import ECGFields, Sample

_DIMENSIONS: Final = 2
_HEADER = re.compile(
    rb"\x93NUMPY(?:\x01\x00(?P<short>..)|[\x02\x03]\x00(?P<long>....))"
    rb"\{'descr': '(?P<dtype>[<>][fiu][248]|\|[iu]1)', 'fortran_order': (?P<fortran>True|False), "
    rb"'shape': \((?P<shape>(?:[0-9]{1,12}(?:, [0-9]{1,12}){0,7},?)?)\),? ?\} {0,256}\n",
    re.DOTALL,
)
"""What NumPy writes. Its own reader evaluates the header as Python, which takes more than arrays of numbers."""


def read_npy(body: bytes | bytearray, query: Sequence[tuple[str, str]]) -> Sample:
    """Read the array and the fields of the query."""
    fields, known, faults = read_query(ECGFields, query)
    if fields is None:
        return Sample(known=known, faults=faults)
    matrix = _matrix(body)
    if isinstance(matrix, str):
        return Sample(known=known, faults=(FieldError(loc=("body",), type=matrix),))
    return Sample(record=make_record(matrix, fields), known=known)


def _declared_length(header: re.Match[bytes]) -> int:
    return int.from_bytes(header["short"] or header["long"], "little")


def _matrix(body: bytes | bytearray) -> FloatArray | str:
    """Return the (n_samples, n_leads) float32 matrix, or the fault's name."""
    header = _HEADER.match(body)
    if header is None or _declared_length(header) != header.end() - max(header.end("short"), header.end("long")):
        return "npy_invalid"
    dtype = np.dtype(header["dtype"].decode())
    shape = tuple(int(length) for length in header["shape"].decode().split(",") if length.strip())
    # The sizes are compared before anything is made from them: a header may claim any shape.
    if math.prod(shape) * dtype.itemsize != len(body) - header.end():
        return "npy_invalid"
    if len(shape) != _DIMENSIONS:
        return "signal_not_2d"
    if 0 in shape:
        return "signal_empty"
    order: Literal["F", "C"] = "F" if header["fortran"] == b"True" else "C"
    raw = np.frombuffer(body, dtype, offset=header.end()).reshape(shape, order=order)
    with np.errstate(over="ignore"):  # beyond float32 becomes infinite, which is refused
        values = np.ascontiguousarray(raw, dtype=np.float32)
    return values if np.isfinite(values).all() else "signal_not_finite"
