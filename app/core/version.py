"""The version of the service."""

from importlib.metadata import PackageNotFoundError, version
from typing import Final


def _installed_version() -> str:
    try:
        return version("ecg-service")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0.0.0"


VERSION: Final = _installed_version()
