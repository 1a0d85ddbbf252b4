"""What endpoints ask for, by name.

All are coroutines: the framework sends plain functions through its thread pool, which costs more than they do.
"""

from typing import Annotated

from fastapi import Depends
from fastapi.security import OAuth2PasswordBearer
from starlette.requests import Request

from app.api.language import request_language
from app.api.state import AppState, app_state
from app.core.constants import API_PREFIX
from app.core.messages import Language
from app.services.auth import User
from app.services.history import HistoryService

_bearer = OAuth2PasswordBearer(tokenUrl=f"{API_PREFIX}/auth/login", auto_error=False)


async def _state(request: Request) -> AppState:
    return app_state(request)


async def _language(request: Request) -> Language:
    return request_language(request)


StateDep = Annotated[AppState, Depends(_state)]
TokenDep = Annotated[str | None, Depends(_bearer)]


async def _history_service(state: StateDep) -> HistoryService:
    return state.history


async def _current_user(state: StateDep, token: TokenDep) -> User:
    return state.auth.identify(token)


async def _administrator(state: StateDep, token: TokenDep) -> User:
    return state.auth.identify_admin(token)


async def _history_reader(state: StateDep, token: TokenDep) -> User | None:
    """Let everybody read a public history, and administrators any."""
    return None if state.settings.history_is_public else state.auth.identify_admin(token)


HistoryDep = Annotated[HistoryService, Depends(_history_service)]
UserDep = Annotated[User, Depends(_current_user)]
AdminDep = Annotated[User, Depends(_administrator)]
HistoryReaderDep = Annotated[User | None, Depends(_history_reader)]
LanguageDep = Annotated[Language, Depends(_language)]
