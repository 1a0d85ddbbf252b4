"""What endpoints ask for, by name."""

from typing import Annotated

from fastapi import Depends
from fastapi.security import OAuth2PasswordBearer
from starlette.requests import Request

from app.api.state import AppState, app_state
from app.core.constants import API_PREFIX
from app.services.auth import User
from app.services.history import HistoryService

_bearer = OAuth2PasswordBearer(tokenUrl=f"{API_PREFIX}/auth/login", auto_error=False)

StateDep = Annotated[AppState, Depends(app_state)]
TokenDep = Annotated[str | None, Depends(_bearer)]


def _history_service(state: StateDep) -> HistoryService:
    return state.history


def _current_user(state: StateDep, token: TokenDep) -> User:
    return state.auth.identify(token)


def _administrator(state: StateDep, token: TokenDep) -> User:
    return state.auth.identify_admin(token)


def _history_reader(state: StateDep, token: TokenDep) -> User | None:
    """Let everybody read a public history, and administrators any."""
    return None if state.settings.history_is_public else state.auth.identify_admin(token)


def _request_id(request: Request) -> str:
    return str(request.state.request_id)


HistoryDep = Annotated[HistoryService, Depends(_history_service)]
UserDep = Annotated[User, Depends(_current_user)]
AdminDep = Annotated[User, Depends(_administrator)]
HistoryReaderDep = Annotated[User | None, Depends(_history_reader)]
RequestIdDep = Annotated[str, Depends(_request_id)]
