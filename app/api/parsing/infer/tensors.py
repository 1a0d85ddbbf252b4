"""Tensors of the Open Inference Protocol, from JSON or from bytes, without an object a number."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import simdjson

from app.api.parsing.json_batch import MAX_SAMPLES
from app.api.parsing.json_faults import Buffer
from app.core.exceptions import FieldError
from app.ecg.record import N_SAMPLES

Loc = tuple[str | int, ...]
Numbers = npt.NDArray[Any]

BYTES: Final = "BYTES"
NUMPY_TYPES: Final[Mapping[str, np.dtype[Any]]] = MappingProxyType(
    {
        "FP32": np.dtype("<f4"),
        "FP64": np.dtype("<f8"),
        "INT8": np.dtype("i1"),
        "INT16": np.dtype("<i2"),
        "INT32": np.dtype("<i4"),
        "INT64": np.dtype("<i8"),
        "UINT8": np.dtype("u1"),
        "UINT16": np.dtype("<u2"),
        "UINT32": np.dtype("<u4"),
        "UINT64": np.dtype("<u8"),
    }
)
_LENGTH_BYTES: Final = 4
_MAX_ROWS: Final = MAX_SAMPLES * N_SAMPLES
# An integer beyond it is not certain to be what was written, because the parser hands over doubles.
_MAX_EXACT: Final = 2**53


class Malformed(Exception):
    """What is wrong with a request to infer; it never leaves the readers."""

    def __init__(self, loc: Loc, kind: str, **params: object) -> None:
        super().__init__(kind)
        self.fault = FieldError(loc=loc, type=kind, params=params)


def numbers_from_json(data: "simdjson.Array", datatype: str, shape: Sequence[int], loc: Loc) -> Numbers:
    """Return the numbers of a JSON array, flat or nested."""
    try:
        values = np.frombuffer(data.as_buffer(of_type="d"), np.float64)
    except (TypeError, ValueError, RuntimeError):
        raise Malformed(loc, "tensor_data") from None
    if values.size != math.prod(shape):
        raise Malformed(loc, "tensor_size")
    dtype = NUMPY_TYPES[datatype]
    if dtype.kind in "iu":
        _check_integers(values, dtype, loc)
    with np.errstate(over="ignore"):  # beyond float32 becomes infinite, which is refused with its ECG
        return values.astype(dtype).reshape(shape)


def _check_integers(values: Numbers, dtype: np.dtype[Any], loc: Loc) -> None:
    limits = np.iinfo(dtype)
    lowest, highest = max(limits.min, -_MAX_EXACT), min(limits.max, _MAX_EXACT)
    if ((values < lowest) | (values > highest) | (values != np.rint(values))).any():
        raise Malformed(loc, "integer_expected")


def texts_from_json(data: "simdjson.Array", shape: Sequence[int], loc: Loc) -> list[str]:
    """Return the texts of a JSON array, flat or in rows of one; there are never many."""
    if len(data) > MAX_SAMPLES:
        raise Malformed(loc, "tensor_size")
    values = [item[0] if isinstance(item, simdjson.Array) and len(item) == 1 else item for item in data]
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) != len(values):
        raise Malformed(loc, "tensor_data")
    if len(texts) != math.prod(shape):
        raise Malformed(loc, "tensor_size")
    return texts


def count_arrays(data: "simdjson.Array", shape: Sequence[int], loc: Loc) -> int:
    """Return how many arrays the data are made of, having made sure that they are flat or nested as the shape says."""
    if len(shape) == 1 or len(data) == 0 or not isinstance(data[0], simdjson.Array):
        return 1
    if math.prod(shape[:-1]) > _MAX_ROWS:
        raise Malformed(loc, "tensor_nesting")
    return _count_nested(data, shape, loc)


def _count_nested(data: object, shape: Sequence[int], loc: Loc) -> int:
    length, *inner = shape
    if not isinstance(data, simdjson.Array) or len(data) != length:
        raise Malformed(loc, "tensor_nesting")
    if len(inner) > 1:
        return 1 + sum(_count_nested(row, inner, loc) for row in data)
    try:
        lengths = set(map(len, data))  # type: ignore[arg-type]  # a number raises, as it should
    except TypeError:
        raise Malformed(loc, "tensor_nesting") from None
    if lengths - set(inner):
        raise Malformed(loc, "tensor_nesting")
    return 1 + length


def numbers_from_bytes(raw: Buffer, datatype: str, shape: Sequence[int], loc: Loc) -> Numbers:
    """Return the numbers of a binary tensor, where they lie."""
    dtype = NUMPY_TYPES[datatype]
    if len(raw) != math.prod(shape) * dtype.itemsize:
        raise Malformed(loc, "tensor_size")
    return np.frombuffer(raw, dtype).reshape(shape)


def texts_from_bytes(raw: Buffer, shape: Sequence[int], loc: Loc) -> list[str]:
    """Return the texts of a binary tensor, each behind its length; there are never many."""
    if math.prod(shape) > MAX_SAMPLES:
        raise Malformed(loc, "tensor_size")
    texts: list[str] = []
    place = 0
    for _ in range(math.prod(shape)):
        start = place + _LENGTH_BYTES
        place = start + int.from_bytes(raw[start - _LENGTH_BYTES : start], "little")
        if place > len(raw):
            raise Malformed(loc, "tensor_size")
        texts.append(bytes(raw[start:place]).decode("utf-8", "replace"))
    if place != len(raw):
        raise Malformed(loc, "tensor_size")
    return texts
