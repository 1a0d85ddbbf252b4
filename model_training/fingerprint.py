"""Short names for code, so that a cache never answers for code that has changed."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

_PROJECT_DIR: Final = Path(__file__).resolve().parent.parent
_SIGNAL_CODE: Final = ("app/ecg", "app/ml/net.py")
_SIGNAL_LIBRARIES: Final = ("numpy", "scipy", "sleepecg")
_MEMBER_CODE: Final = (
    *_SIGNAL_CODE,
    "app/ml/compiled.py",
    "app/ml/statements.py",
    "model_training/net",
    "model_training/recipes.py",
    "model_training/statements.py",
)
_MEMBER_LIBRARIES: Final = (*_SIGNAL_LIBRARIES, "scikit-learn")


@cache
def code_fingerprint() -> str:
    """Name of the code between a signal and a member's input."""
    return _fingerprint(_SIGNAL_CODE, _SIGNAL_LIBRARIES)


@cache
def member_fingerprint() -> str:
    """Name of the code between a signal and a member's answer."""
    return _fingerprint(_MEMBER_CODE, _MEMBER_LIBRARIES)


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
