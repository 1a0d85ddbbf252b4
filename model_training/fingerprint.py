"""Short names for code, so that a cache never answers for code that has changed."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

_PROJECT_DIR: Final = Path(__file__).resolve().parent.parent
_SIGNAL_CODE: Final = ("app/ecg", "app/ml/net.py")
_SIGNAL_LIBRARIES: Final = ("numpy", "scipy", "sleepecg")
_MEMBER_LIBRARIES: Final = ("numpy", "scipy", "scikit-learn")


@cache
def code_fingerprint() -> str:
    """Name of the code between a signal and a member's input."""
    return _fingerprint(_SIGNAL_CODE, _SIGNAL_LIBRARIES)


@cache
def member_fingerprint(code: tuple[str, ...]) -> str:
    """Name of the code between a member's input and its answer, given as files and folders of the project."""
    return _fingerprint(code, _MEMBER_LIBRARIES)


def _fingerprint(places: tuple[str, ...], libraries: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for place in places:
        path = _PROJECT_DIR / place
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        for file in files:
            digest.update(str(file.relative_to(_PROJECT_DIR)).encode())
            digest.update(file.read_bytes())
    for library in libraries:
        digest.update(f"{library}={version(library)}".encode())
    return digest.hexdigest()[:16]
