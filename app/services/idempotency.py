"""Doing what a request asks for once, however often it is sent."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from app.core.security import keyed_digest
from app.database.connection import Unit, WriteSession
from app.database.repositories.idempotency import IdempotencyRepository, KeyedRequest, Refuse, Reply

__all__ = ["IdempotencyService", "Named", "Refuse", "Reply", "Unit", "WriteSession"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """A request by the name its caller gave it.

    Attributes
    ----------
    user_id
        Who asks: the same key of somebody else is another one.
    route
        What is asked for: the same key at another address is another one, too.
    key
        The name.
    content
        All that the request says. Of this a digest is kept, and one that only the service can make: what is sent may be
        a patient's, and short enough to be guessed.
    """

    user_id: int
    route: str
    key: str
    content: str


class IdempotencyService:
    """Keeps answers for 24 hours.

    Parameters
    ----------
    repository
        Where they are.
    secret
        Key of the digests.
    now
        Clock, aware.
    """

    def __init__(
        self,
        repository: IdempotencyRepository,
        secret: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._repository = repository
        self._secret = secret
        self._now = now

    async def run(self, request: Named | None, work: Unit[Reply], refuse: Refuse) -> Reply:
        """Do the work and keep its answer in the same transaction; or return the answer that is kept.

        Parameters
        ----------
        request
            What is asked, by its name; None where it has none, and the work is done every time.
        work
            Whatever is to be done, and how it is answered.
        refuse
            Writes what the work refuses as an answer, to be kept.

        Raises
        ------
        IdempotencyKeyReused
            The name stands for another request.
        """
        if request is None:
            return await self._repository.run(work)
        keyed = KeyedRequest(
            user_id=request.user_id,
            route=request.route,
            key=request.key,
            digest=keyed_digest(self._secret, "request", request.content),
        )
        return await self._repository.run_once(keyed, work, refuse, self._now())
