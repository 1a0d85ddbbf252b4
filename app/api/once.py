"""`Idempotency-Key`: a request that is sent again is answered again, and done once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Header
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from app.api.deps import StateDep
from app.api.errors import problem_response
from app.core.exceptions import FieldError, InvalidInput, ServiceError
from app.services.callers import Caller
from app.services.idempotency import IdempotencyService, Named, Reply, Unit, WriteSession

T = TypeVar("T")
Present = Callable[[T], BaseModel]

KEY_HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotent-Replayed"
MAX_KEY_CHARACTERS: Final = 255
_JSON: Final = "application/json"
_NOT_KEPT: Final = frozenset({"content-length"})

KeyHeader = Annotated[
    str | None,
    Header(
        alias=KEY_HEADER,
        min_length=1,
        max_length=MAX_KEY_CHARACTERS,
        pattern="^[ -~]+$",
        description="a name for this request, new for each: sent again within 24 hours, it is answered as before and "
        "not done again",
    ),
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Once:
    """Does what one request asks for, once for the key it bears; every time where it bears none."""

    request: Request
    key: str | None
    idempotency: IdempotencyService

    async def answer(
        self,
        caller: Caller,
        body: BaseModel,
        work: Unit[T],
        present: Present[T],
        *,
        status: int,
        keep: Present[T] | None = None,
    ) -> Response:
        """Do the work in one transaction with the memory of it, and answer.

        Parameters
        ----------
        caller
            Whose key it is.
        body
            What the key stands for.
        work
            What is to be done. What it refuses is remembered as well.
        present
            Shows what came of it.
        status
            Of the answer, if it is not refused.
        keep
            Shows what may be remembered, where `present` shows a secret.
        """

        async def answered(session: WriteSession) -> Reply:
            made = await work(session)
            return Reply(
                status=status,
                body=present(made).model_dump_json(),
                headers={"content-type": _JSON},
                kept_body=None if keep is None else keep(made).model_dump_json(),
            )

        reply = await self.idempotency.run(self._named(caller, body), answered, self._refuse)
        headers = {**reply.headers, **({REPLAYED_HEADER: "true"} if reply.is_replay else {})}
        return Response(reply.body, reply.status, headers)

    def _named(self, caller: Caller, body: BaseModel) -> Named | None:
        if self.key is None:
            return None
        route = f"{self.request.method} {self.request.scope['route'].path}"
        return Named(user_id=caller.user.id, route=route, key=self.key, content=body.model_dump_json())

    def _refuse(self, error: ServiceError) -> Reply:
        response = problem_response(error, self.request)
        headers = {name: value for name, value in response.headers.items() if name not in _NOT_KEPT}
        return Reply(status=response.status_code, body=bytes(response.body).decode(), headers=headers)


async def _once(request: Request, state: StateDep, key: KeyHeader = None) -> Once:
    """Read the key; two of them name nothing.

    Raises
    ------
    InvalidInput
        There are two.
    """
    if len(request.headers.getlist(KEY_HEADER)) > 1:
        raise InvalidInput(errors=[FieldError(loc=("header", KEY_HEADER), type="duplicate_key")])
    return Once(request=request, key=key, idempotency=state.idempotency)


OnceDep = Annotated[Once, Depends(_once)]
