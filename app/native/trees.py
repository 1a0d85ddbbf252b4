"""Calls `trees.c`."""

from ctypes import c_int, c_size_t, c_void_p
from typing import Final

import numpy as np
import numpy.typing as npt

from app.native.library import bind

Indices = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


_WALK: Final = bind("walk_trees", None, c_void_p, c_void_p, c_int, c_void_p, c_void_p, c_void_p, c_size_t)


class TreeWalk:
    """Walks these trees with a sample.

    Parameters
    ----------
    link : ndarray of int64, shape (n_nodes,)
        Left child and, in the lowest `column_bits`, the column compared; every child and column must exist.
    column_bits : int
    threshold : ndarray of float64, shape (n_nodes,)
    roots : ndarray of int64, shape (n_trees,)
    """

    def __init__(self, link: Indices, column_bits: int, threshold: Numbers, roots: Indices) -> None:
        types = (np.int64, np.float64, np.int64)
        arrays = [
            np.ascontiguousarray(array, kind) for array, kind in zip((link, threshold, roots), types, strict=True)
        ]
        self._arrays = arrays  # the function is given their addresses
        self._link, self._threshold, self._roots = (array.ctypes.data for array in arrays)
        self._column_bits = column_bits
        self._n_trees = roots.size

    def leaves(self, sample: Numbers) -> Indices:
        """Nodes where the sample, (n_columns,) of float64, ends: one a tree."""
        ends: Indices = np.empty(self._n_trees, np.int64)
        _WALK(  # type: ignore[misc]  # None only where `bind_walk` gives none of these
            self._link,
            self._threshold,
            self._column_bits,
            sample.ctypes.data,
            self._roots,
            ends.ctypes.data,
            self._n_trees,
        )
        return ends


def bind_walk(link: Indices, column_bits: int, threshold: Numbers, roots: Indices) -> TreeWalk | None:
    """Return a `TreeWalk`; None where nothing was compiled."""
    return None if _WALK is None else TreeWalk(link, column_bits, threshold, roots)
