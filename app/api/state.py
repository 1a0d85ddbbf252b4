"""What the process holds while it serves."""

from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from app.api.parsing import BodyBudget
from app.api.vitals import LoopWatch
from app.core.board import WorkerBoard
from app.core.config import Settings
from app.database.connection import Database
from app.ml.engine import Engine
from app.ml.registry import ModelRegistry
from app.services.account_services import AccountServices
from app.services.appointments import AppointmentService
from app.services.credits import CreditService
from app.services.history import HistoryService
from app.services.idempotency import IdempotencyService
from app.services.prediction import PredictionService


@dataclass(kw_only=True, slots=True)
class AppState:
    """Everything an endpoint may be given; made once at start."""

    settings: Settings
    database: Database
    models: ModelRegistry
    engine: Engine
    bodies: BodyBudget
    loop_watch: LoopWatch
    #: the other processes of this service; None where there are none
    board: WorkerBoard | None
    accounts: AccountServices
    credits: CreditService
    idempotency: IdempotencyService
    appointments: AppointmentService
    history: HistoryService
    prediction: PredictionService
    #: set when the process was told to stop: requests under way are finished, new ones should go elsewhere
    draining: bool = field(default=False)


def app_state(connection: HTTPConnection) -> AppState:
    """Return the state of the application that serves this request."""
    state = connection.app.state.service
    if not isinstance(state, AppState):
        raise TypeError("the application was not started")
    return state
