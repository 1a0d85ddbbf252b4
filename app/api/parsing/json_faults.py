"""Why a text is no JSON, as far as that can be told for certain."""

import math
import re
from itertools import islice
from typing import Final

Buffer = bytes | bytearray | memoryview

_MAX_CANDIDATES: Final = 1_000
_UINT64_MAX: Final = 2**64 - 1
_INT64_MIN: Final = -(2**63)
_NOT_A_NUMBER: Final = re.compile(rb"[\[:,]\s*[-+]?(?:nan|inf|infinity)\s*[,\]}]", re.IGNORECASE)
_LARGE_NUMBER: Final = re.compile(
    rb"[\[:,]\s*(?:(-?[1-9]\d{18,})|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE]\+?\d{2,})|-?[1-9]\d{300,}\.\d+))\s*(?=[,\]}])"
)
"""Integers and other numbers, written as JSON writes them, that may be beyond what the parser holds."""


def name_json_fault(parser_code: str, text: Buffer) -> str:
    """Return the code of the message.

    Parameters
    ----------
    parser_code
        What simdjson calls the fault. It has one name for numbers that are too large and for what is no number.
    text
        What was parsed.
    """
    if parser_code == "DEPTH_ERROR":
        return "json_too_deep"
    if parser_code == "BIGINT_ERROR":
        return "json_number_out_of_range"
    if _NOT_A_NUMBER.search(text):
        return "json_nan"
    if parser_code == "NUMBER_ERROR" and _has_number_out_of_range(text):
        return "json_number_out_of_range"
    return "json_invalid"


def _has_number_out_of_range(text: Buffer) -> bool:
    for found in islice(_LARGE_NUMBER.finditer(text), _MAX_CANDIDATES):
        integer, other = found.groups()
        if math.isinf(float(integer or other)):
            return True
        if integer and not _INT64_MIN <= int(integer) <= _UINT64_MAX:
            return True
    return False
