"""A batch of ECGs as JSON, cut into its samples without parsing the whole.

A batch may be a hundred megabytes, and a parser needs several times the size of its text. So the text is cut at the
braces of the samples: what is left (the skeleton, with `{}` for every sample) is parsed at once and each sample by
itself, when its turn comes. Skeleton and samples valid means that the whole is valid.
"""

from functools import partial
from typing import Final

import numpy as np
import simdjson

from app.api.faults import MAX_FAULTS
from app.api.parsing.json_ecg import parse, read_json
from app.core.exceptions import FieldError
from app.models.ecg import Batch, Part

MAX_SAMPLES: Final = 256
#: braces, quotes and backslashes of the largest batch, all optional fields given
_MAX_MARKS: Final = MAX_SAMPLES * 128
_CHUNK_BYTES: Final = 2**22
_OPEN, _CLOSE, _QUOTE, _BACKSLASH = b'{}"\\'
_SAMPLES: Final = "samples"
_SAMPLE_DEPTH: Final = 2


def split_batch(text: bytes | bytearray) -> Batch:
    """Cut `{"samples": [{...}, ...]}` into the texts of its samples."""
    if not text:
        return Batch(faults=(FieldError(loc=("body",), type="body_empty"),))
    spans = _sample_spans(text)
    if spans is None:
        return Batch(faults=(FieldError(loc=("body",), type="json_invalid"),))
    faults = _check_skeleton(_skeleton(text, spans), len(spans))
    if faults:
        return Batch(faults=faults)
    texts = (memoryview(text)[start:end] for start, end in spans)
    return Batch(
        parts=tuple(
            Part(partial(read_json, text, ("body", _SAMPLES, index)), len(text)) for index, text in enumerate(texts)
        )
    )


def _sample_spans(text: bytes | bytearray) -> list[tuple[int, int]] | None:
    """Return where the objects of the second level stand, or None where braces and quotes do not match up."""
    marks = _marks(text)
    if marks is None:
        return None
    spans = []
    depth = start = 0
    in_string = False
    escaped = -1
    for position in marks:
        mark = text[position]
        if position == escaped:
            continue
        if mark == _QUOTE:
            in_string = not in_string
        elif in_string:
            escaped = position + 1 if mark == _BACKSLASH else -1
        elif mark == _OPEN:
            depth += 1
            start = position if depth == _SAMPLE_DEPTH else start
        elif mark == _CLOSE:
            if depth == _SAMPLE_DEPTH:
                spans.append((start, position + 1))
            depth -= 1
    return spans if depth == 0 and not in_string else None


def _marks(text: bytes | bytearray) -> list[int] | None:
    """Find braces, quotes and backslashes; None when there are more than any batch has."""
    characters = np.frombuffer(text, np.uint8)
    found: list[int] = []
    for start in range(0, len(text), _CHUNK_BYTES):
        chunk = characters[start : start + _CHUNK_BYTES]
        is_mark = (chunk == _OPEN) | (chunk == _CLOSE) | (chunk == _QUOTE) | (chunk == _BACKSLASH)
        positions = np.flatnonzero(is_mark)
        if len(found) + len(positions) > _MAX_MARKS:
            return None
        found.extend((positions + start).tolist())
    return found


def _skeleton(text: bytes | bytearray, spans: list[tuple[int, int]]) -> bytes:
    pieces = []
    end_of_last = 0
    for start, end in spans:
        pieces += [text[end_of_last:start], b"{}"]
        end_of_last = end
    return b"".join([*pieces, text[end_of_last:]])


def _check_skeleton(skeleton: bytes, n_samples: int) -> tuple[FieldError, ...]:
    document = parse(skeleton)
    if isinstance(document, FieldError):
        return (FieldError(loc=("body",), type=document.type),)
    if not isinstance(document, simdjson.Object):
        return (FieldError(loc=("body",), type="not_an_object"),)
    keys = list(document.keys())
    if any(key != _SAMPLES for key in keys):
        return (FieldError(loc=("body",), type="unknown_field", params={"known": _SAMPLES}),)
    if len(keys) != 1:
        return (FieldError(loc=("body", _SAMPLES), type="duplicate_key" if keys else "missing"),)
    return _check_samples(document[_SAMPLES], n_samples)


def _check_samples(samples: object, n_samples: int) -> tuple[FieldError, ...]:
    if not isinstance(samples, simdjson.Array):
        return (FieldError(loc=("body", _SAMPLES), type="samples_invalid"),)
    if not 1 <= len(samples) <= MAX_SAMPLES:
        return (FieldError(loc=("body", _SAMPLES), type="samples_count", params={"max_samples": MAX_SAMPLES}),)
    faults = [
        FieldError(loc=("body", _SAMPLES, index), type="not_an_object")
        for index, sample in enumerate(samples)
        if not isinstance(sample, simdjson.Object)
    ]
    if not faults and len(samples) != n_samples:
        faults = [FieldError(loc=("body", _SAMPLES), type="samples_invalid")]
    return tuple(faults[:MAX_FAULTS])
