"""One ECG as a JSON object, read without ever becoming Python lists.

A signal of plain numbers is read by code of our own, the rest of the object by simdjson; any other signal, and every
wrong one, is simdjson's as well, so that what is refused and by what name does not depend on which code there is.
"""

import threading
from collections.abc import Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import Final

import numpy as np
import simdjson

from app.api.faults import MAX_FAULTS
from app.api.parsing.fields import check_fields, make_record
from app.api.parsing.json_faults import Buffer, name_json_fault
from app.core.exceptions import FieldError
from app.ecg.record import FloatArray
from app.models.ecg import ECGFieldsWithShape, Sample
from app.native.json_numbers import PlainNumbers, read_plain_numbers

Loc = tuple[str | int, ...]

SIGNAL: Final = "ecg_signal"
KNOWN_FIELDS: Final = (*ECGFieldsWithShape.model_fields, SIGNAL)
_MAX_KEYS: Final = 64
_MAX_SHORT_ARRAY: Final = 64
_KEPT_PARSER_BYTES: Final = 2**23
_MAX_HEAD_BYTES: Final = 1024  # where the name of the signal stands in all but very unusual texts
_NAME: Final = f'"{SIGNAL}"'.encode()
_UTF8_BOM: Final = b"\xef\xbb\xbf"
_BRACKET: Final = ord("[")
_ABSENT: Final = object()
_SCALARS: Final = (str, int, float, bool)

_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})

_threads = threading.local()


def read_json(text: Buffer, loc: Loc = ("body",), *, beside: Mapping[str, object] = _NOTHING) -> Sample:
    """Read one ECG.

    Parameters
    ----------
    text
        The JSON, UTF-8.
    loc
        Where it stood in the request.
    beside
        Fields that came outside the JSON and must not be in it too.
    """
    if not text:
        return Sample(faults=(FieldError(loc=loc, type="body_empty"),))
    plain = _read_plain_signal(text)
    document = parse(text if plain is None else _without(plain, text))
    if isinstance(document, FieldError):
        return Sample(faults=(FieldError(loc=loc, type=document.type),))
    if not isinstance(document, simdjson.Object):
        return Sample(faults=(FieldError(loc=loc, type="not_an_object"),))
    return _read_object(document, text, plain, loc, beside)


def _read_plain_signal(text: Buffer) -> PlainNumbers | None:
    """Read the signal ahead of everything else, where it is written as ECGs mostly are.

    What stands around it is still to be checked, and says whether this was the signal at all: only in a text without
    faults, which has no objects in its object, is a name followed by a colon a name of that object.
    """
    found = bytes(text[:_MAX_HEAD_BYTES]).find(_NAME)
    return None if found == -1 else read_plain_numbers(text, found + len(_NAME))


def _without(plain: PlainNumbers, text: Buffer) -> bytes:
    """Return the text with null in the place of what was read: valid if and only if the whole is."""
    return b"".join((text[: plain.start], b"null", text[plain.end :]))


def parse(text: Buffer) -> object:
    """Parse JSON into simdjson's proxies, or name the fault.

    The proxies must be gone before this thread parses again, so no exception may carry them out of this module.
    """
    if bytes(text[:3]) == _UTF8_BOM:  # the parser would skip it; JSON text has none
        return FieldError(loc=(), type="json_bom")
    try:
        return _parser_for(text).parse(text)
    except (ValueError, RuntimeError) as error:  # RuntimeError: an integer beyond 64 bits, or too deep
        return FieldError(loc=(), type=name_json_fault(str(error).partition(":")[0], text))


def _parser_for(text: Buffer) -> "simdjson.Parser":
    """Return this thread's parser, or another for a large text: a parser never gives back what it has grown to."""
    if len(text) > _KEPT_PARSER_BYTES:
        return simdjson.Parser()
    parser: simdjson.Parser | None = getattr(_threads, "parser", None)
    if parser is None:
        parser = _threads.parser = simdjson.Parser()
    return parser


def _read_object(
    document: "simdjson.Object", text: Buffer, plain: PlainNumbers | None, loc: Loc, beside: Mapping[str, object]
) -> Sample:
    values: dict[str, object] = {**beside}
    signal, faults = _read_members(document, values, loc)
    fields, known, wrong = check_fields(ECGFieldsWithShape, values, loc)
    faults.extend(wrong)
    if signal is _ABSENT:
        faults.append(FieldError(loc=(*loc, SIGNAL), type="missing"))
    if faults or fields is None:
        return Sample(known=known, faults=tuple(faults[:MAX_FAULTS]))
    if plain is None:
        other_arrays = sum(isinstance(value, list) for value in values.values())
        matrix = _matrix(signal, fields.shape, _count_brackets(text) - other_arrays)
    else:
        matrix = _shape_plain(plain.values, fields.shape)
    if isinstance(matrix, str):
        return Sample(known=known, faults=(FieldError(loc=(*loc, SIGNAL), type=matrix),))
    return Sample(record=make_record(matrix, fields), known=known)


def _read_members(document: "simdjson.Object", values: dict[str, object], loc: Loc) -> tuple[object, list[FieldError]]:
    """Add the fields to `values`; return the signal as the parser has it, or `_ABSENT`, and what is wrong."""
    signal: object = _ABSENT
    faults: list[FieldError] = []
    for key in islice(document.keys(), _MAX_KEYS):  # items() would turn the signal into lists
        if key == SIGNAL:
            if signal is not _ABSENT:
                faults.append(FieldError(loc=(*loc, SIGNAL), type="duplicate_key"))
            signal = document[key]
        elif key not in KNOWN_FIELDS:
            faults.append(FieldError(loc=loc, type="unknown_field", params={"known": ", ".join(KNOWN_FIELDS)}))
        elif key in values:
            faults.append(FieldError(loc=(*loc, key), type="duplicate_key"))
        else:
            values[key] = _plain(document[key])
    return signal, faults


def _plain(value: object) -> object:
    """Return a field's value as a Python object, never a large one."""
    if isinstance(value, simdjson.Array):
        if len(value) > _MAX_SHORT_ARRAY:
            return [None]
        return [item if isinstance(item, _SCALARS) else None for item in value]
    return {} if isinstance(value, simdjson.Object) else value


def _count_brackets(text: Buffer) -> int:
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == _BRACKET))


def _matrix(signal: object, shape: Sequence[int] | None, brackets: int) -> FloatArray | str:
    """Return the (n_samples, n_leads) float32 matrix, or the fault's name.

    The parser flattens whatever is nested. That nothing but rows of one length was nested follows from two facts: every
    element of the outer array is an array of that length, and the text has no more opening brackets than those.
    """
    if not isinstance(signal, simdjson.Array):
        return "signal_not_array"
    if not len(signal):
        return "signal_empty"
    try:
        flat = np.frombuffer(signal.as_buffer(of_type="d"), np.float64)
    except (TypeError, ValueError, RuntimeError):
        return "signal_not_numeric"
    with np.errstate(over="ignore"):  # beyond float32 becomes infinite, which is refused below
        values = flat.astype(np.float32)
    if not np.isfinite(values).all():
        return "signal_not_finite"
    if brackets == 1:
        return _shape_flat(values, shape)
    return _shape_rows(signal, values, brackets) if shape is None else "shape_with_rows"


def _shape_plain(values: FloatArray, shape: Sequence[int] | None) -> FloatArray | str:
    if values.ndim == 1:
        return _shape_flat(values, shape)
    return values if shape is None else "shape_with_rows"


def _shape_flat(values: FloatArray, shape: Sequence[int] | None) -> FloatArray | str:
    if shape is None:
        return "signal_flat_without_shape"
    n_samples, n_leads = shape
    return values.reshape(n_samples, n_leads) if n_samples * n_leads == values.size else "shape_mismatch"


def _shape_rows(signal: "simdjson.Array", values: FloatArray, brackets: int) -> FloatArray | str:
    n_rows = len(signal)
    try:
        lengths = set(map(len, signal))  # type: ignore[arg-type]  # a number raises, as it should
    except TypeError:  # a number among the rows
        return "signal_ragged"
    if len(lengths) != 1 or brackets != n_rows + 1:
        return "signal_ragged"
    n_columns = lengths.pop()
    return values.reshape(n_rows, n_columns) if n_columns else "signal_empty"
