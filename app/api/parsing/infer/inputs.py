"""The inputs of a request to infer, as arrays and lists of texts."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import simdjson

from app.api.parsing.infer.members import read_members, read_parameters
from app.api.parsing.infer.tensors import (
    BYTES,
    NUMPY_TYPES,
    Loc,
    Malformed,
    Numbers,
    count_arrays,
    numbers_from_bytes,
    numbers_from_json,
    texts_from_bytes,
    texts_from_json,
)
from app.models.oip import SIGNAL

_KEYS: Final = ("name", "shape", "datatype", "parameters", "data")
_MAX_DIMENSIONS: Final = 3
_MAX_LENGTH: Final = 10_000_000
_ANY_NUMBER: Final = tuple(NUMPY_TYPES)
INPUT_TYPES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        SIGNAL: ("FP32", "FP64", "INT16"),
        "age": _ANY_NUMBER,
        "sex": _ANY_NUMBER,
        "height": _ANY_NUMBER,
        "weight": _ANY_NUMBER,
        "heart_axis": (BYTES,),
    }
)
"""Which datatypes each input may have; INT16 is microvolts."""

Inputs = dict[str, Numbers | list[str]]


class InputReader:
    """Reads the inputs one by one and keeps account of arrays and bytes, none of which may be left over."""

    def __init__(self, raw: memoryview) -> None:
        self.inputs: Inputs = {}
        self._raw = raw
        self._used_bytes = 0
        self._used_arrays = 0

    def add(self, tensor: object, loc: Loc) -> None:
        """Read one input."""
        members = read_members(tensor, _KEYS, loc)
        name = next((name for name in INPUT_TYPES if name == members.get("name")), None)
        if name is None:
            raise Malformed((*loc, "name"), "not_one_of", expected=", ".join(INPUT_TYPES))
        if name in self.inputs:
            raise Malformed((*loc, "name"), "duplicate_key")
        datatype = next((known for known in INPUT_TYPES[name] if known == members.get("datatype")), None)
        if datatype is None:
            raise Malformed((*loc, "datatype"), "not_one_of", expected=", ".join(INPUT_TYPES[name]))
        shape = self._shape(members.get("shape"), (*loc, "shape"))
        size = read_parameters(members, loc).get("binary_data_size")
        if size is None:
            self.inputs[name] = self._from_json(members.get("data"), datatype, shape, (*loc, "data"))
        elif "data" in members:
            raise Malformed((*loc, "data"), "tensor_twice")
        else:
            self.inputs[name] = _from_bytes(self._take(size, loc), datatype, shape, loc)

    def check_nothing_is_left(self, arrays_in_inputs: int) -> None:
        """Refuse arrays within the data that nobody has read, and bytes that belong to no tensor."""
        if arrays_in_inputs != self._used_arrays:
            raise Malformed(("body", "inputs"), "tensor_nesting")
        if self._used_bytes != len(self._raw):
            raise Malformed(("body",), "tensor_bytes_left")

    def _shape(self, said: object, loc: Loc) -> tuple[int, ...]:
        if said is None:
            raise Malformed(loc, "missing")
        if not isinstance(said, simdjson.Array):
            raise Malformed(loc, "array_expected")
        self._used_arrays += 1
        if not 1 <= len(said) <= _MAX_DIMENSIONS:
            raise Malformed(loc, "tensor_shape")
        lengths = tuple(length for length in said if type(length) is int and 0 <= length <= _MAX_LENGTH)
        if len(lengths) != len(said):
            raise Malformed(loc, "tensor_shape")
        return lengths

    def _from_json(self, data: object, datatype: str, shape: tuple[int, ...], loc: Loc) -> Numbers | list[str]:
        if data is None:
            raise Malformed(loc, "missing")
        if not isinstance(data, simdjson.Array):
            raise Malformed(loc, "array_expected")
        self._used_arrays += count_arrays(data, shape, loc)
        return texts_from_json(data, shape, loc) if datatype == BYTES else numbers_from_json(data, datatype, shape, loc)

    def _take(self, size: object, loc: Loc) -> memoryview:
        start = self._used_bytes
        if type(size) is not int or not 0 <= size <= len(self._raw) - start:
            raise Malformed((*loc, "parameters", "binary_data_size"), "tensor_size")
        self._used_bytes += size
        return self._raw[start : self._used_bytes]


def _from_bytes(raw: memoryview, datatype: str, shape: tuple[int, ...], loc: Loc) -> Numbers | list[str]:
    return texts_from_bytes(raw, shape, loc) if datatype == BYTES else numbers_from_bytes(raw, datatype, shape, loc)
