"""Make equal models equal to the bit.

A pickle tells not only what is in a model but also which parts of it are one object. Parts that came from another
process carry dtypes and strings of their own, those made in this one share theirs: the same model, other bytes.
"""

import io
import pickle
import sys
from functools import cache
from typing import Any

import numpy as np


def settle(model: Any) -> Any:
    """Copy `model` so that it pickles the same wherever its parts were made.

    The parts of dictionaries and lists then share nothing but dtypes and strings.
    """
    if isinstance(model, dict):
        return {sys.intern(name): settle(part) for name, part in model.items()}
    if isinstance(model, list):
        return [settle(part) for part in model]
    buffer = io.BytesIO()
    _Settler(buffer, pickle.HIGHEST_PROTOCOL).dump(model)
    buffer.seek(0)
    return _Reader(buffer).load()


class _Settler(pickle.Pickler):
    def persistent_id(self, obj: object) -> str | None:
        return obj if type(obj) is str else None

    def reducer_override(self, obj: object) -> Any:
        if isinstance(obj, np.dtype):
            return _shared_dtype, (pickle.dumps(obj),)
        return NotImplemented


class _Reader(pickle.Unpickler):
    def persistent_load(self, pid: str) -> str:
        return sys.intern(pid)


@cache
def _shared_dtype(pickled: bytes) -> Any:
    return pickle.loads(pickled)  # noqa: S301 - written by _Settler
