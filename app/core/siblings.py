"""What the processes of one service share."""

from dataclasses import dataclass

from app.core.board import WorkerBoard
from app.core.caller_limits import CallerLimits


@dataclass(frozen=True, kw_only=True, slots=True)
class Siblings:
    """Memory that all of them see."""

    board: WorkerBoard
    limits: CallerLimits
