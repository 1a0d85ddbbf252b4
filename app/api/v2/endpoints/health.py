"""State of the server and the model, by the Open Inference Protocol."""

from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter

from app.api.deps import StateDep
from app.api.errors import problem_responses
from app.api.readiness import check_readiness
from app.api.v2.addressing import NamePath, VersionPath, find_model
from app.core.constants import OIP_PREFIX
from app.core.exceptions import (
    InvalidInput,
    ModelNotLoaded,
    NotFound,
    Overloaded,
    ShuttingDown,
    StorageUnavailable,
    Unavailable,
)
from app.models.oip import ModelReady, ServerLive, ServerReady

router = APIRouter(tags=["open inference protocol"])

_NOT_READY = problem_responses(ModelNotLoaded, ShuttingDown, Overloaded, StorageUnavailable)
_REASONS: Final[Mapping[str, type[Unavailable]]] = {
    "model_loaded": ModelNotLoaded,
    "database_writable": StorageUnavailable,
    "disk_has_room": StorageUnavailable,
    "not_draining": ShuttingDown,
}
"""What is said of a condition that does not hold."""
_NO_MODEL = problem_responses(InvalidInput, NotFound, ModelNotLoaded)


@router.get(f"{OIP_PREFIX}/health/live")
async def read_liveness() -> ServerLive:
    """Answer as long as the process can."""
    return ServerLive()


@router.get(f"{OIP_PREFIX}/health/ready", responses=_NOT_READY)
async def read_readiness(state: StateDep) -> ServerReady:
    """Say whether requests should be sent here; 503 names the reason when they should not."""
    failing = [name for name, holds in (await check_readiness(state)).items() if not holds]
    if failing:
        raise _REASONS.get(failing[0], Overloaded)
    return ServerReady()


@router.get(f"{OIP_PREFIX}/models/{{name}}/ready", responses=_NO_MODEL)
async def read_model_readiness(state: StateDep, name: NamePath) -> ModelReady:
    """Say whether the model is loaded."""
    find_model(state, name, None)
    return ModelReady(name=name)


@router.get(f"{OIP_PREFIX}/models/{{name}}/versions/{{version}}/ready", responses=_NO_MODEL)
async def read_version_readiness(state: StateDep, name: NamePath, version: VersionPath) -> ModelReady:
    """Say whether this version of the model is loaded."""
    find_model(state, name, version)
    return ModelReady(name=name)
