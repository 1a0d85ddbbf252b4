"""Reading a model's two files, without looking into them: light enough for a process that only passes them on."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.ml.errors import ArtifactMissingError, ArtifactTooLargeError, ManifestError, NotARegularFileError

MAX_MODEL_BYTES: Final = 64 * 1024 * 1024
MAX_MANIFEST_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, repr=False)
class ModelFiles:
    """A model file and its manifest as they were read: every process of a service gets the same bytes."""

    model: bytes
    manifest: bytes


def read_files(path: Path) -> ModelFiles:
    """Read a model file and the manifest beside it, without looking into either.

    Parameters
    ----------
    path : Path
        The model file; its manifest has the same name with the suffix `.json`.

    Raises
    ------
    ArtifactMissingError
        If there is no model file.
    ArtifactRefusedError
        If one of the two is no regular file, too large, or the manifest is missing.
    """
    model = _read(path, MAX_MODEL_BYTES)
    try:
        manifest = _read(path.with_suffix(".json"), MAX_MANIFEST_BYTES)
    except ArtifactMissingError as error:
        raise ManifestError("there is no manifest beside the model file") from error
    return ModelFiles(model, manifest)


def _read(path: Path, max_bytes: int) -> bytes:
    """Read a regular file of bounded size; the checks are made on the open file, not on the name."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if path.is_symlink():
        raise NotARegularFileError(f"{path.name} is a symbolic link; give the file itself")
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise ArtifactMissingError(f"there is no {path.name}") from None
    except OSError as error:
        raise NotARegularFileError(f"{path.name} cannot be opened: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotARegularFileError(f"{path.name} is not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ArtifactTooLargeError(f"{path.name} is larger than {max_bytes} bytes")
    return data
