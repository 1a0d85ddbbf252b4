"""The Open Inference Protocol, version 2: what clients of model servers speak."""

from fastapi import APIRouter

from app.api.v2.endpoints import health, inference, metadata

router = APIRouter()
router.include_router(health.router)
router.include_router(metadata.router)
router.include_router(inference.router)
