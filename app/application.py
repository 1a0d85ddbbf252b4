"""Wiring: puts the rooms of one process together; nothing is decided here."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

import structlog
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.middleware import Middleware

from app.api import docs, pages
from app.api.direct import DirectRoutes, Handler
from app.api.errors import add_error_handlers
from app.api.forward_docs import complete_schema
from app.api.limit_callers import LimitCallers
from app.api.middleware import CatchAll, HeadAsGet, LimitBodies, RequestContext
from app.api.parsing import BodyBudget
from app.api.state import AppState
from app.api.v1 import router as v1
from app.api.v1.endpoints import prediction
from app.api.v2 import router as v2
from app.api.v2.addressing import MODEL_NAME
from app.api.v2.endpoints import inference
from app.api.vitals import LoopWatch
from app.core.board import WorkerBoard
from app.core.caller_limits import CallerLimits
from app.core.config import Settings
from app.core.constants import API_PREFIX, OIP_PREFIX, PROBES
from app.core.exceptions import StorageUnavailable
from app.core.siblings import Siblings
from app.core.starting import StartRefused
from app.core.version import VERSION
from app.database.connection import Database
from app.database.migrate import MigrationFailed, upgrade
from app.database.repositories.appointments import AppointmentRepository
from app.database.repositories.history import HistoryRepository
from app.database.repositories.idempotency import IdempotencyRepository
from app.ml import artifact
from app.ml.classifier import Classifier
from app.ml.engine import Engine
from app.ml.errors import ArtifactMissingError, ArtifactRefusedError
from app.ml.registry import ModelRegistry
from app.services.account_services import AccountServices, build_account_services
from app.services.appointments import AppointmentService
from app.services.credits import build_credit_service
from app.services.history import HistoryService
from app.services.idempotency import IdempotencyService
from app.services.prediction import PredictionService

log = structlog.get_logger(__name__)

MAX_FORM_BYTES: Final = 16 * 1024
RAW_BODY_PATHS: Final = (f"{API_PREFIX}/forward", f"{API_PREFIX}/forward/batch")
DIRECT_ROUTES: Final[Mapping[tuple[str, str], Handler]] = MappingProxyType(
    {
        ("POST", f"{API_PREFIX}/forward"): prediction.forward,
        ("POST", f"{API_PREFIX}/forward/batch"): prediction.forward_batch,
        ("POST", f"{OIP_PREFIX}/models/{MODEL_NAME}/infer"): inference.infer_directly,
    }
)

LoadModel = Callable[[Path], Classifier]


def create_app(
    settings: Settings | None = None, *, load_model: LoadModel = artifact.load, siblings: Siblings | None = None
) -> FastAPI:
    """Put one process together; nothing is opened before its lifespan begins.

    Parameters
    ----------
    settings
        Read from the environment where they are not given.
    load_model
        Takes the model into service.
    siblings
        What this process shares with others that serve at the same address; None where it is alone.
    """
    chosen = settings or Settings()
    limits = siblings.limits if siblings else CallerLimits(chosen.caller_limit_per_minute)
    app = FastAPI(
        title=pages.NAME,
        version=VERSION,
        description=f"{pages.DESCRIPTION}\n\n{pages.NOTICE}",
        docs_url=None,
        redoc_url=None,
        openapi_url=docs.OPENAPI_URL,
        redirect_slashes=False,
        lifespan=partial(_lifespan, settings=chosen, load_model=load_model, board=siblings.board if siblings else None),
        middleware=_middleware(chosen, limits),
    )
    add_error_handlers(app)
    app.include_router(pages.router)
    app.include_router(docs.router)
    app.mount(docs.ASSETS_URL, docs.docs_assets())
    app.include_router(v1.router)
    app.include_router(v2.router)
    app.openapi = partial(complete_schema, app)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    return app


def _middleware(settings: Settings, limits: CallerLimits) -> list[Middleware]:
    """Return what requests pass, outermost first."""
    cors = Middleware(
        CORSMiddleware,
        allow_origins=settings.cors_allow_origins,
        allow_methods=["GET", "HEAD", "POST", "PUT", "DELETE"],
        allow_headers=[
            "Authorization",
            "Content-Type",
            "Content-Encoding",
            "Idempotency-Key",
            "Inference-Header-Content-Length",
            "X-Request-ID",
            "X-Request-Timeout-Ms",
        ],
        expose_headers=[
            "X-Request-ID",
            "Server-Timing",
            "Retry-After",
            "Idempotent-Replayed",
            "Inference-Header-Content-Length",
        ],
    )
    bodies = Middleware(LimitBodies, max_bytes=MAX_FORM_BYTES, exempt=RAW_BODY_PATHS, exempt_below=f"{OIP_PREFIX}/")
    cors_if_any = [cors] if settings.cors_allow_origins else []
    limit = Middleware(LimitCallers, limits=limits, exempt=PROBES)
    limit_if_any = [limit] if limits.per_minute else []
    direct = Middleware(DirectRoutes, routes=DIRECT_ROUTES)
    net = Middleware(CatchAll)
    return [Middleware(RequestContext), *cors_if_any, *limit_if_any, net, direct, Middleware(HeadAsGet), bodies]


@asynccontextmanager
async def _lifespan(
    app: FastAPI, *, settings: Settings, load_model: LoadModel, board: WorkerBoard | None
) -> AsyncIterator[None]:
    """Open everything, and close it in reverse."""
    async with AsyncExitStack() as opened:
        engine = Engine(settings.compute_queue_size, settings.compute_max_wait_s)
        opened.callback(engine.close)
        database = await _open_database(settings)
        opened.push_async_callback(database.close)
        models = ModelRegistry(await asyncio.to_thread(_load, load_model, settings.model_file))
        accounts = build_account_services(settings, database)
        await opened.enter_async_context(_settled(accounts))
        history = HistoryService(HistoryRepository(database))
        loop_watch = LoopWatch()
        app.state.service = AppState(
            settings=settings,
            database=database,
            models=models,
            engine=engine,
            loop_watch=loop_watch,
            board=board,
            bodies=BodyBudget(settings.max_buffered_bytes),
            accounts=accounts,
            credits=build_credit_service(settings, database),
            idempotency=IdempotencyService(IdempotencyRepository(database), settings.jwt_secret_key.get_secret_value()),
            appointments=AppointmentService(AppointmentRepository(database)),
            history=history,
            prediction=PredictionService(models=models, engine=engine, history=history),
        )
        loop_watch.start()
        opened.callback(loop_watch.stop)
        yield


async def _open_database(settings: Settings) -> Database:
    try:
        database = Database(settings.database_url)
    except ValueError as error:
        raise StartRefused(f"DATABASE_URL: {error}") from error
    if settings.migrates_at_start:
        await migrate(database, settings)
    return database


async def migrate(database: Database, settings: Settings) -> None:
    """Bring the schema up to date.

    Raises
    ------
    StartRefused
        It cannot be.
    """
    try:
        await upgrade(settings.database_url)
    except MigrationFailed as failure:
        where = f"{database.file}: " if database.file else ""
        raise StartRefused(f"DATABASE_URL: {where}{failure}") from failure


def _load(load_model: LoadModel, path: Path) -> Classifier | None:
    """Load the model. Without one the service works, and says so; with one that is not to be trusted it must not."""
    try:
        return load_model(path)
    except ArtifactMissingError:
        log.warning("model_missing", path=str(path), hint="set MODEL_PATH to a model that train_model.py has made")
        return None
    except ArtifactRefusedError as refusal:
        raise refusal.refuse_start(path) from refusal


@asynccontextmanager
async def _settled(accounts: AccountServices) -> AsyncIterator[None]:
    """Make the settings' administrator: now, or as soon as another process has migrated the database."""
    administrator = accounts.administrator
    with suppress(StorageUnavailable):
        await administrator.settle()
    if administrator.is_settled:
        yield
        return
    later = asyncio.create_task(administrator.settle_when_possible(), name="settle-administrator")
    try:
        yield
    finally:
        later.cancel()
        await asyncio.wait([later])
