"""Whether requests should be sent to this process."""

from collections.abc import Mapping

from app.api.state import AppState
from app.api.vitals import MAX_LAG_S, has_room
from app.core.exceptions import StorageUnavailable


async def check_readiness(state: AppState) -> Mapping[str, bool]:
    """Return every condition by its name, and whether it holds."""
    return {
        "model_loaded": state.models.current is not None,
        "database_writable": await _can_write(state),
        "disk_has_room": has_room(state.database.file, state.settings.min_free_disk_bytes),
        "not_draining": not state.draining,
        "not_overloaded": state.engine.room > 0,
        "loop_keeps_up": state.loop_watch.lag_s < MAX_LAG_S,
        "workers_alive": state.board is None or state.board.all_serving,
    }


async def _can_write(state: AppState) -> bool:
    try:
        await state.database.ping()
    except StorageUnavailable:
        return False
    return True
