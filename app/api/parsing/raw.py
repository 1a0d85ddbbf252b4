"""One ECG as nothing but its numbers: little-endian, sample by sample; all that is said of them stands in the query."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from app.api.parsing.fields import make_record
from app.api.parsing.query import read_query
from app.core.exceptions import FieldError
from app.ecg.record import MICROVOLTS, MILLIVOLTS, N_LEADS, N_SAMPLES, FloatArray
from app.models.ecg import Dtype, ECGFieldsWithDtype, Sample

_NUMPY_TYPES: Final[dict[Dtype, np.dtype[Any]]] = {"float32": np.dtype("<f4"), "int16": np.dtype("<i2")}
_DTYPE_BY_SIZE: Final[dict[int, Dtype]] = {
    N_SAMPLES * N_LEADS * _NUMPY_TYPES["float32"].itemsize: "float32",
    N_SAMPLES * N_LEADS * _NUMPY_TYPES["int16"].itemsize: "int16",
}
"""What the size of a body says, as long as the signal can have one shape only."""


def read_raw(body: bytes | bytearray, query: Sequence[tuple[str, str]]) -> Sample:
    """Read float32 numbers, or int16 ones, which are microvolts."""
    fields, known, faults = read_query(ECGFieldsWithDtype, query)
    if fields is None:
        return Sample(known=known, faults=faults)
    dtype = fields.dtype or _dtype_by_size(body, fields)
    if dtype is None:
        return Sample(known=known, faults=(FieldError(loc=("query", "dtype"), type="dtype_needed"),))
    if dtype == "int16":
        if fields.units == MILLIVOLTS and "units" in fields.model_fields_set:
            return Sample(known=known, faults=(FieldError(loc=("query", "units"), type="int16_is_microvolts"),))
        fields = fields.model_copy(update={"units": MICROVOLTS})
    matrix = _matrix(body, _NUMPY_TYPES[dtype], N_LEADS if fields.leads is None else len(fields.leads))
    if isinstance(matrix, FieldError):
        return Sample(known=known, faults=(matrix,))
    return Sample(record=make_record(matrix, fields), known=known)


def _dtype_by_size(body: bytes | bytearray, fields: ECGFieldsWithDtype) -> Dtype | None:
    has_one_shape = fields.sampling_rate_hz is None and fields.leads is None
    return _DTYPE_BY_SIZE.get(len(body)) if has_one_shape else None


def _matrix(body: bytes | bytearray, dtype: "np.dtype[Any]", n_leads: int) -> FloatArray | FieldError:
    row_bytes = n_leads * dtype.itemsize
    if not body:
        return FieldError(loc=("body",), type="body_empty")
    if len(body) % row_bytes:
        return FieldError(loc=("body",), type="raw_size", params={"row_bytes": row_bytes})
    values = np.frombuffer(body, dtype).reshape(-1, n_leads).astype(np.float32, copy=False)
    return values if np.isfinite(values).all() else FieldError(loc=("body",), type="signal_not_finite")
