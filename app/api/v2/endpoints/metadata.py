"""What the server and the model are, by the Open Inference Protocol."""

from typing import Final

from fastapi import APIRouter

from app.api.deps import StateDep
from app.api.errors import problem_responses
from app.api.v2.addressing import MODEL_NAME, NamePath, VersionPath, find_model
from app.core.constants import OIP_PREFIX
from app.core.exceptions import InvalidInput, ModelNotLoaded, NotFound
from app.core.version import VERSION
from app.models.oip import ModelMetadata, ServerMetadata

router = APIRouter(tags=["open inference protocol"])

_SERVER: Final = "ecg-service"
_PLATFORM: Final = "ecg-service_pickle"
_NO_MODEL = problem_responses(InvalidInput, NotFound, ModelNotLoaded)


@router.get(OIP_PREFIX)
async def read_server() -> ServerMetadata:
    """Describe the server."""
    return ServerMetadata(name=_SERVER, version=VERSION)


@router.get(f"{OIP_PREFIX}/models/{{name}}", responses=_NO_MODEL)
async def read_model(state: StateDep, name: NamePath) -> ModelMetadata:
    """Describe the model: its version, inputs and outputs. Every input but the signal may be left out."""
    model = find_model(state, name, None)
    return ModelMetadata(name=MODEL_NAME, versions=[model.version], platform=_PLATFORM)


@router.get(f"{OIP_PREFIX}/models/{{name}}/versions/{{version}}", responses=_NO_MODEL)
async def read_version(state: StateDep, name: NamePath, version: VersionPath) -> ModelMetadata:
    """Describe this version of the model."""
    model = find_model(state, name, version)
    return ModelMetadata(name=MODEL_NAME, versions=[model.version], platform=_PLATFORM)
