"""Version 1 of the API."""

from fastapi import APIRouter

from app.api.v1.endpoints import (
    appointments,
    auth,
    calendar,
    health,
    history,
    keys,
    prediction,
    sessions,
    transactions,
    users,
)
from app.core.constants import API_PREFIX

router = APIRouter(prefix=API_PREFIX)
router.include_router(health.router)
router.include_router(prediction.router)
router.include_router(history.router)
router.include_router(auth.router)
router.include_router(sessions.router)
router.include_router(keys.router)
router.include_router(users.router)
router.include_router(transactions.router)
router.include_router(appointments.router)
router.include_router(calendar.router)
