"""Calls `json_numbers.c`."""

from ctypes import c_int, c_size_t, c_void_p
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from app.native.library import bind

_NOT_PLAIN: Final = 0
_FLAT: Final = 2
_MIN_BYTES_A_NUMBER: Final = 2  # a digit and a comma
_Pair = c_size_t * 2


@dataclass(frozen=True, slots=True)
class PlainNumbers:
    """What was read, and where it stood.

    Attributes
    ----------
    values : ndarray of float32, shape (n_rows, n_columns), or (n,) where there were no rows
    start, end
        Where the value lies in the text.
    """

    values: npt.NDArray[np.float32]
    start: int
    end: int


_READ: Final = bind("read_plain_numbers", c_int, c_void_p, c_size_t, c_void_p, c_size_t, c_void_p, c_void_p)


def read_plain_numbers(text: bytes | bytearray | memoryview, behind_name: int) -> PlainNumbers | None:
    """Read the value of a member of a JSON object, if it is rows of one length, or a list, of plain finite numbers.

    Parameters
    ----------
    text
        JSON, or what is said to be.
    behind_name
        Where the member's name has ended.

    Returns
    -------
    PlainNumbers or None
        None where there is anything else, which may be right or wrong, and where nothing was compiled.
    """
    if _READ is None:
        return None
    characters = np.frombuffer(text, np.uint8)
    n_bytes = characters.size - behind_name
    numbers = np.empty(n_bytes // _MIN_BYTES_A_NUMBER, np.float32)
    span, shape = _Pair(), _Pair()
    form = _READ(characters.ctypes.data + behind_name, n_bytes, numbers.ctypes.data, numbers.size, span, shape)
    if form == _NOT_PLAIN:
        return None
    n_rows, n_columns = shape
    values = numbers[: n_rows * n_columns]
    return PlainNumbers(
        values=values if form == _FLAT else values.reshape(n_rows, n_columns),
        start=behind_name + span[0],
        end=behind_name + span[1],
    )
