"""One ECG as a NumPy .npy body; the patient's fields stand in the query."""

import io
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.lib import format as npy_format

from app.api.parsing.fields import check_fields, make_record
from app.core.exceptions import FieldError
from app.ecg.record import FloatArray
from app.models.ecg import ECGFields, Sample

_MAX_HEADER_BYTES: Final = 4096
_NUMERIC_KINDS: Final = "fiu"
_DIMENSIONS: Final = 2


def read_npy(body: bytes | bytearray, query: Mapping[str, str]) -> Sample:
    """Read the array and the fields of the query; `leads` are separated by commas."""
    values: dict[str, object] = {name: value for name, value in query.items() if name in ECGFields.model_fields}
    if "leads" in values:
        values["leads"] = query["leads"].split(",")
    fields, known, faults = check_fields(ECGFields, values, ("query",), as_text=True)
    if fields is None:
        return Sample(known=known, faults=faults)
    matrix = _matrix(body)
    if isinstance(matrix, str):
        return Sample(known=known, faults=(FieldError(loc=("body",), type=matrix),))
    return Sample(record=make_record(matrix, fields), known=known)


def _matrix(body: bytes | bytearray) -> FloatArray | str:
    """Return the (n_samples, n_leads) float32 matrix, or the fault's name."""
    stream = io.BytesIO(body)
    try:
        version = npy_format.read_magic(stream)
        read_header = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
        shape, fortran_order, dtype = read_header(stream, max_header_size=_MAX_HEADER_BYTES)
    except (ValueError, SyntaxError, MemoryError, RecursionError):  # the header is a Python literal
        return "npy_invalid"
    offset = stream.tell()
    # The sizes are compared before anything is made from them: a header may claim any shape.
    if dtype.kind not in _NUMERIC_KINDS or _size_bytes(shape, dtype) != len(body) - offset:
        return "npy_invalid"
    if len(shape) != _DIMENSIONS:
        return "signal_ragged"
    if 0 in shape:
        return "signal_empty"
    raw = np.frombuffer(body, dtype, offset=offset).reshape(shape, order="F" if fortran_order else "C")
    with np.errstate(over="ignore"):  # beyond float32 becomes infinite, which is refused
        values = np.ascontiguousarray(raw, dtype=np.float32)
    return values if np.isfinite(values).all() else "signal_not_finite"


def _size_bytes(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> int:
    size = int(dtype.itemsize)
    for length in shape:
        size *= length
    return size
