"""Make equal models equal to the bit.

A pickle tells not only what is in a model but also which parts of it are one object. Parts that came from another
process carry dtypes and strings of their own, those made in this one share theirs: the same model, other bytes. And
the nodes of a tree are records with a gap at their end.
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
    settled = _Reader(buffer).load()
    for tree in getattr(settled, "estimators_", ()):
        clear_gaps(tree.tree_.__getstate__()["nodes"])  # a view of the tree's own memory
    return settled


def clear_gaps(records: np.ndarray[Any, Any]) -> None:
    """Set to zero what lies between the fields of records: whatever was in the memory before.

    Parameters
    ----------
    records : ndarray of a structured dtype, shape (n,)
        Changed in place.
    """
    size = records.dtype.itemsize
    is_gap = np.ones(size, dtype=np.bool_)
    for field, offset in (described[:2] for described in (records.dtype.fields or {}).values()):
        is_gap[offset : offset + field.itemsize] = False
    records.view(np.uint8).reshape(-1, size)[:, is_gap] = 0


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
