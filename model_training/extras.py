"""Packages that only training needs, asked for by name so that a missing one gives one clear sentence."""

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Final

EXTRA_BY_PACKAGE: Final = {
    "matplotlib": "train",
    "torch": "net",
    "wfdb": "train",
    "dask": "cluster",
    "distributed": "cluster",
}


class MissingExtraError(Exception):
    """An optional package is not installed."""


def require(module: str) -> ModuleType:
    """Import a module of an optional package.

    Raises
    ------
    MissingExtraError
        If the package is not installed; the text says how to install it.
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        extra = EXTRA_BY_PACKAGE[package]
        raise MissingExtraError(
            f"this needs the package {package}: run `uv sync --extra {extra}`, or pip install 'ecg-service[{extra}]'"
        ) from None


def installed(module: str) -> bool:
    """Whether an optional package is there, without importing it."""
    return find_spec(module) is not None
