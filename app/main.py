"""Wiring: `create_app` puts the service together, `python -m app.main` runs it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from pydantic import ValidationError
from starlette.middleware import Middleware

from app.api import docs, pages
from app.api.errors import add_error_handlers
from app.api.forward_docs import complete_schema
from app.api.middleware import CatchAll, HeadAsGet, LimitBodies, RequestContext
from app.api.parsing import BodyBudget
from app.api.server import Server, StartRefused
from app.api.state import AppState
from app.api.v1 import router as v1
from app.api.v2 import router as v2
from app.core.config import Settings
from app.core.constants import API_PREFIX, OIP_PREFIX, Role
from app.core.logging import configure_logging
from app.core.security import PasswordHasher, TokenSigner, credential_version
from app.core.version import VERSION
from app.database.connection import Database
from app.database.migrate import MigrationFailed, upgrade
from app.database.repositories.history import HistoryRepository
from app.ml import artifact
from app.ml.classifier import Classifier
from app.ml.engine import Engine
from app.ml.errors import ArtifactMissingError, ArtifactRefusedError
from app.services.auth import Account, AuthService
from app.services.history import HistoryService
from app.services.prediction import PredictionService

log = structlog.get_logger(__name__)

MAX_FORM_BYTES: Final = 16 * 1024
RAW_BODY_PATHS: Final = (f"{API_PREFIX}/forward", f"{API_PREFIX}/forward/batch")

LoadModel = Callable[[Path], Classifier]


def create_app(settings: Settings | None = None, *, load_model: LoadModel = artifact.load) -> FastAPI:
    """Put the service together; nothing is opened before its lifespan begins.

    Parameters
    ----------
    settings
        Read from the environment where they are not given.
    load_model
        Takes the model into service.
    """
    chosen = settings or Settings()
    app = FastAPI(
        title=pages.NAME,
        version=VERSION,
        description=f"{pages.DESCRIPTION}\n\n{pages.NOTICE}",
        docs_url=None,
        redoc_url=None,
        openapi_url=docs.OPENAPI_URL,
        redirect_slashes=False,
        lifespan=partial(_lifespan, settings=chosen, load_model=load_model),
        middleware=_middleware(chosen),
    )
    add_error_handlers(app)
    app.include_router(pages.router)
    app.include_router(docs.router)
    app.mount(docs.ASSETS_URL, docs.docs_assets())
    app.include_router(v1.router)
    app.include_router(v2.router)
    app.openapi = partial(complete_schema, app)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    return app


def _middleware(settings: Settings) -> list[Middleware]:
    """Return what requests pass, outermost first."""
    cors = Middleware(
        CORSMiddleware,
        allow_origins=settings.cors_allow_origins,
        allow_methods=["GET", "HEAD", "POST", "DELETE"],
        allow_headers=[
            "Authorization",
            "Content-Type",
            "Content-Encoding",
            "Inference-Header-Content-Length",
            "X-Request-ID",
        ],
        expose_headers=["X-Request-ID", "Server-Timing", "Retry-After", "Inference-Header-Content-Length"],
    )
    bodies = Middleware(LimitBodies, max_bytes=MAX_FORM_BYTES, exempt=RAW_BODY_PATHS, exempt_below=f"{OIP_PREFIX}/")
    cors_if_any = [cors] if settings.cors_allow_origins else []
    return [Middleware(RequestContext), *cors_if_any, Middleware(HeadAsGet), bodies, Middleware(CatchAll)]


@asynccontextmanager
async def _lifespan(app: FastAPI, *, settings: Settings, load_model: LoadModel) -> AsyncIterator[None]:
    """Open everything, and close it in reverse."""
    database = await _open_database(settings)
    classifier = await asyncio.to_thread(_load, load_model, settings.model_file)
    engine = Engine(settings.compute_queue_size)
    history = HistoryService(HistoryRepository(database))
    app.state.service = AppState(
        settings=settings,
        database=database,
        classifier=classifier,
        engine=engine,
        bodies=BodyBudget(settings.max_buffered_bytes),
        auth=await _auth_service(settings),
        history=history,
        prediction=PredictionService(classifier=classifier, engine=engine, history=history),
    )
    try:
        yield
    finally:
        engine.close()
        await database.close()


async def _open_database(settings: Settings) -> Database:
    try:
        database = Database(settings.database_url)
        if settings.migrates_at_start:
            await upgrade(settings.database_url)
    except ValueError as error:
        raise StartRefused(f"DATABASE_URL: {error}") from error
    except MigrationFailed as failure:
        file = database.file
        raise StartRefused(f"DATABASE_URL: {f'{file}: ' if file else ''}{failure}") from failure
    return database


def _load(load_model: LoadModel, path: Path) -> Classifier | None:
    """Load the model. Without one the service works, and says so; with one that is not to be trusted it must not."""
    try:
        return load_model(path)
    except ArtifactMissingError:
        log.warning("model_missing", path=str(path), hint="set MODEL_PATH to a model that train_model.py has made")
        return None
    except ArtifactRefusedError as refusal:
        raise StartRefused(f"MODEL_PATH: {path}: {refusal} ({refusal.code})") from refusal


async def _auth_service(settings: Settings) -> AuthService:
    secret = settings.jwt_secret_key.get_secret_value()
    password = settings.admin_password.get_secret_value()
    hasher = PasswordHasher()
    admin = Account(
        username=settings.admin_username,
        role=Role.ADMIN,
        password_hash=await hasher.hash(password),
        version=credential_version(secret=secret, username=settings.admin_username, password=password),
    )
    lifetime = timedelta(minutes=settings.jwt_access_token_expire_minutes)
    return AuthService(admin=admin, signer=TokenSigner(secret, lifetime), hasher=hasher)


def main() -> int:
    """Run the service until it is told to stop; return the process's exit code."""
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False):
            name = ".".join(str(part) for part in fault["loc"]).upper()
            sys.stderr.write(f"refusing to start: {name + ': ' if name else ''}{fault['msg']}\n")
        return 1
    configure_logging(settings.log_level, as_json=settings.logs_json)
    return Server(create_app(settings), settings).run_until_stopped()


if __name__ == "__main__":
    sys.exit(main())
