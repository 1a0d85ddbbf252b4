"""State of the service."""

from fastapi import APIRouter

from app.api.deps import StateDep
from app.models.schemas import Health

router = APIRouter(tags=["health"])


@router.get("/health")
async def read_health(state: StateDep) -> Health:
    """Say whether the service works and has a model."""
    return Health(model_loaded=state.models.current is not None)
