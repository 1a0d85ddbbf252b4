"""State of the server and the model, by the Open Inference Protocol."""

from fastapi import APIRouter

from app.api.deps import StateDep
from app.api.errors import problem_responses
from app.api.state import AppState
from app.api.v2.addressing import NamePath, VersionPath, find_model
from app.core.constants import OIP_PREFIX
from app.core.exceptions import InvalidInput, ModelNotLoaded, NotFound, Overloaded, ShuttingDown, StorageUnavailable
from app.models.oip import ModelReady, ServerLive, ServerReady

router = APIRouter(tags=["open inference protocol"])

_NOT_READY = problem_responses(ModelNotLoaded, ShuttingDown, Overloaded, StorageUnavailable)
_NO_MODEL = problem_responses(InvalidInput, NotFound, ModelNotLoaded)


@router.get(f"{OIP_PREFIX}/health/live")
async def read_liveness() -> ServerLive:
    """Answer as long as the process can."""
    return ServerLive()


@router.get(f"{OIP_PREFIX}/health/ready", responses=_NOT_READY)
async def read_readiness(state: StateDep) -> ServerReady:
    """Say whether requests should be sent here; 503 names the reason when they should not."""
    await _check_ready(state)
    return ServerReady()


async def _check_ready(state: AppState) -> None:
    if state.draining:
        raise ShuttingDown
    if state.models.current is None:
        raise ModelNotLoaded
    if state.engine.is_full:
        raise Overloaded
    await state.database.ping()


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
