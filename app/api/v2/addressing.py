"""The one model of the service, by the name and version in an address."""

from typing import Annotated, Final

from fastapi import Path

from app.api.state import AppState
from app.core.exceptions import ModelNotLoaded, NotFound
from app.ml.classifier import Classifier

MODEL_NAME: Final = "ecg"

NamePath = Annotated[str, Path(max_length=64, description=f"`{MODEL_NAME}`", examples=[MODEL_NAME])]
VersionPath = Annotated[str, Path(max_length=64, description="as the model's metadata name it")]


def check_address(state: AppState, name: str, version: str | None) -> None:
    """Make sure that the address is the model's; a version cannot be told while there is none.

    Raises
    ------
    NotFound
        Another name, or a version that is not the one in service.
    """
    current = state.models.version
    is_other_version = version is not None and current is not None and version != current
    if name != MODEL_NAME or is_other_version:
        raise NotFound


def find_model(state: AppState, name: str, version: str | None) -> Classifier:
    """Return the model at the address.

    Raises
    ------
    NotFound
        There is none of that name and version.
    ModelNotLoaded
        The service runs without one.
    """
    check_address(state, name, version)
    classifier = state.models.current
    if classifier is None:
        raise ModelNotLoaded
    return classifier
