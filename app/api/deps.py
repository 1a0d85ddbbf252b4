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
from app.services.callers import Caller
from app.services.history import HistoryService

_bearer = OAuth2PasswordBearer(tokenUrl=f"{API_PREFIX}/auth/login", auto_error=False)


async def _state(request: Request) -> AppState:
    return app_state(request)


async def _language(request: Request) -> Language:
    return request_language(request)


async def _address(request: Request) -> str:
    return request.client.host if request.client else ""


StateDep = Annotated[AppState, Depends(_state)]
TokenDep = Annotated[str | None, Depends(_bearer)]


async def _history_service(state: StateDep) -> HistoryService:
    return state.history


async def _caller(state: StateDep, token: TokenDep) -> Caller:
    return await state.accounts.identity.identify(token)


async def _caller_if_any(state: StateDep, token: TokenDep) -> Caller | None:
    """Let anybody through, but not with credentials that are not valid."""
    return None if token is None else await state.accounts.identity.identify(token)


async def _administrator(state: StateDep, token: TokenDep) -> Caller:
    caller = await state.accounts.identity.identify(token)
    caller.require_admin()
    return caller


async def _history_reader(state: StateDep, token: TokenDep) -> Caller | None:
    """Let everybody read a public history, and administrators any."""
    if state.settings.history_is_public:
        return None
    caller = await state.accounts.identity.identify(token)
    caller.require_history()
    return caller


HistoryDep = Annotated[HistoryService, Depends(_history_service)]
CallerDep = Annotated[Caller, Depends(_caller)]
CallerIfAnyDep = Annotated[Caller | None, Depends(_caller_if_any)]
AdminDep = Annotated[Caller, Depends(_administrator)]
HistoryReaderDep = Annotated[Caller | None, Depends(_history_reader)]
LanguageDep = Annotated[Language, Depends(_language)]
AddressDep = Annotated[str, Depends(_address)]
