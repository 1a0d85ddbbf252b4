"""Slowing down those who guess passwords, without locking out those who know theirs.

Three things are counted, and each delays the next attempt twice as long as the last one:

- an account at an address, after a few failures: one guesser at one account;
- an address, after some dozens: one password tried on many accounts;
- an account, after a hundred from a score of addresses: many guessers at one account, whom this leaves one attempt a
  minute.

Where the right password came from before, only the first is counted: nobody can lock an owner out of the places they
use, or end the sessions they have.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Final

from app.core.addresses import caller_network
from app.core.exceptions import LoginThrottled
from app.core.names import name_key
from app.core.security import keyed_digest
from app.database.repositories.login_failures import LoginFailureRepository, Standing, Standings

FORGOTTEN_AFTER: Final = timedelta(days=1)
KNOWN_FOR: Final = timedelta(days=90)
_MAX_DOUBLINGS: Final = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How many failures cost nothing, and how long a delay becomes."""

    free: int
    longest_s: int

    def delay_s(self, failures: int) -> int:
        """Return how long the next attempt has to wait."""
        if failures < self.free:
            return 0
        return min(self.longest_s, 1 << min(failures - self.free, _MAX_DOUBLINGS))


PAIR: Final = Patience(free=5, longest_s=900)
ADDRESS: Final = Patience(free=30, longest_s=900)
ACCOUNT: Final = Patience(free=100, longest_s=60)


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One log-in, by the names of what is counted."""

    pair: str
    address: str
    account: str

    @property
    def buckets(self) -> Mapping[str, Patience]:
        """Everything that is counted."""
        return {self.pair: PAIR, self.address: ADDRESS, self.account: ACCOUNT}


class LoginThrottle:
    """Counts failures, in the database: a restart forgives nothing.

    Parameters
    ----------
    repository
        Where they are.
    secret
        Key of the digests by which accounts and addresses are remembered.
    now
        Clock, aware.
    """

    def __init__(
        self,
        repository: LoginFailureRepository,
        secret: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._repository = repository
        self._secret = secret
        self._now = now

    def attempt(self, *, user_id: int | None, name: str, address: str) -> Attempt:
        """Name an attempt: by the account where there is one, else by the name that was tried."""
        account = f"id {user_id}" if user_id is not None else f"name {name_key(name)}"
        network = caller_network(address)
        return Attempt(
            pair=keyed_digest(self._secret, "pair", account, network),
            address=keyed_digest(self._secret, "address", network),
            account=keyed_digest(self._secret, "account", account),
        )

    async def check(self, attempt: Attempt) -> None:
        """Refuse an attempt that comes too early.

        Raises
        ------
        LoginThrottled
            It does.
        """
        now = self._now()
        _refuse_early(attempt, await self._repository.read(attempt.buckets, now), now)

    async def fail(self, attempt: Attempt) -> None:
        """Count a failure.

        Raises
        ------
        LoginThrottled
            Others failed while this one was compared: it came too early, and must not learn whether it was right.
        """
        now = self._now()

        def count(standings: Standings) -> Standings:
            _refuse_early(attempt, standings, now)
            return _after_failure(attempt, standings, now)

        await self._repository.judge(attempt.buckets, count, now)

    async def succeed(self, attempt: Attempt) -> None:
        """Forgive the account at this address, and remember that its owner uses it.

        Raises
        ------
        LoginThrottled
            As above.
        """
        now = self._now()

        def forgive(standings: Standings) -> Standings:
            _refuse_early(attempt, standings, now)
            known = Standing(failures=0, blocked_until=None, is_known=True, expires_at=now + KNOWN_FOR)
            return {attempt.pair: known}

        await self._repository.judge(attempt.buckets, forgive, now)


def _after_failure(attempt: Attempt, standings: Standings, now: datetime) -> Standings:
    counted = dict(attempt.buckets)
    pair = standings.get(attempt.pair)
    if pair is not None and pair.failures >= PAIR.free:
        # This address waits already. Were it counted against the account, one guesser could slow its owner down.
        del counted[attempt.account]
    return {bucket: _one_more(standings.get(bucket), patience, now) for bucket, patience in counted.items()}


def _one_more(standing: Standing | None, patience: Patience, now: datetime) -> Standing:
    failures = 1 + (standing.failures if standing else 0)
    delay_s = patience.delay_s(failures)
    is_known = standing is not None and standing.is_known
    return Standing(
        failures=failures,
        blocked_until=now + timedelta(seconds=delay_s) if delay_s else None,
        is_known=is_known,
        expires_at=now + (KNOWN_FOR if is_known else FORGOTTEN_AFTER),
    )


def _refuse_early(attempt: Attempt, standings: Standings, now: datetime) -> None:
    pair = standings.get(attempt.pair)
    counts = [pair] if pair is not None and pair.is_known else list(standings.values())
    waits = [one.blocked_until - now for one in counts if one.blocked_until is not None]
    longest = max(waits, default=timedelta())
    if longest > timedelta():
        raise LoginThrottled(retry_after_s=ceil(longest.total_seconds()))
