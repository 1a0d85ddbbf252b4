"""Files that save a computation: whole or not there, and never believed when they cannot be read."""

import os
from pathlib import Path
from typing import IO
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

Inputs = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Features and waveform of one ECG."""

_UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    BadZipFile,
)  # absent, or cut off by a crash: it is computed again


def read_inputs(path: Path) -> Inputs | None:
    """Features and waveform kept at `path`, or None."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            return kept["features"], kept["waveform"]
    except _UNREADABLE:
        return None


def write_inputs(path: Path, inputs: Inputs) -> None:
    """Keep features and waveform at `path`."""
    with _Unfinished(path) as file:
        np.savez(file, features=inputs[0], waveform=inputs[1])


def read_array(path: Path) -> NDArray[np.float64] | None:
    """Array kept at `path`, or None."""
    try:
        with path.open("rb") as file:
            kept: NDArray[np.float64] = np.load(file, allow_pickle=False)
    except _UNREADABLE:
        return None
    return kept


def write_array(path: Path, array: NDArray[np.float64]) -> None:
    """Keep an array at `path`."""
    with _Unfinished(path) as file:
        np.save(file, array)


class _Unfinished:
    """A file that takes its name only when it is whole; several processes may write the same one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")

    def __enter__(self) -> IO[bytes]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._unfinished.open("wb")
        return self._file

    def __exit__(self, error: object, *_: object) -> None:
        self._file.close()
        if error is None:
            self._unfinished.replace(self._path)
        else:
            self._unfinished.unlink()
