"""Credits against a model of them in memory (the catalogue's 67): whatever is asked in whatever order, and again.

`--faults-long` (or FAULTS_LONG=1) tries ten thousand steps on each database instead of a few hundred.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from app.core.exceptions import IdempotencyKeyReused, ServiceError, StorageUnavailable
from app.core.opaque import new_secret
from app.database.connection import Database, WriteSession
from app.database.repositories.idempotency import IdempotencyRepository, KeyedRequest, Reply
from app.database.repositories.ledger import Booking, LedgerRepository
from app.database.repositories.users import UserRepository
from tests.integration.test_accounts import add_user

USERS = st.sampled_from(["alice", "bob"])
AMOUNTS = st.integers(min_value=1, max_value=30)
STEPS = 25
EXAMPLES, EXAMPLES_LONG = 8, 400

Work = Callable[[WriteSession], Awaitable[Reply]]


@dataclass
class Charge:
    """What the model knows of a charge that was made."""

    user: str
    amount: int
    reference: str
    is_refunded: bool = False


@dataclass
class Sent:
    """A request that was answered."""

    request: KeyedRequest
    work: Work
    reply: Reply


def refuse(error: ServiceError) -> Reply:
    return Reply(status=error.status, body=error.code)


class Bookkeeping(RuleBasedStateMachine):
    """Two accounts, and everything that happens to them."""

    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.open()
        self.ids = {name: self.make_user(name) for name in ("alice", "bob")}
        self.balances = dict.fromkeys(self.ids, 0)
        self.n_transactions = dict.fromkeys(self.ids, 0)
        self.charges: list[Charge] = []
        self.sent: list[Sent] = []

    def open(self) -> None:
        self.database = self.run(self.make_database())
        self.ledger = LedgerRepository(self.database)
        self.memory = IdempotencyRepository(self.database)

    async def make_database(self) -> Database:
        return Database(self.url)

    def run(self, coroutine: Any) -> Any:
        return self.runner.run(coroutine)

    def make_user(self, name: str) -> int:
        unique = f"{name}{new_secret('')[:20].replace('_', '.')}"
        return int(self.run(add_user(self.database, unique)).id)

    def teardown(self) -> None:
        self.run(self.database.close())
        self.runner.close()

    def named(self, user: str, content: str) -> KeyedRequest:
        return KeyedRequest(user_id=self.ids[user], route="POST /x", key=new_secret(""), digest=content)

    def send(self, request: KeyedRequest, work: Work) -> Reply:
        reply: Reply = self.run(self.memory.run_once(request, work, refuse, datetime.now(UTC)))
        self.sent.append(Sent(request, work, reply))
        return reply

    def booked(self, user: str, change: int) -> None:
        self.balances[user] += change
        self.n_transactions[user] += 1

    def depositing(self, user: str, amount: int) -> Work:
        booking = Booking(user_id=self.ids[user], amount=amount, created_by=self.ids[user])

        async def work(session: WriteSession) -> Reply:
            made = await self.ledger.deposit(session, booking)
            return Reply(status=201, body=str(made.balance_after))

        return work

    def charging(self, user: str, amount: int, reference: str, fail: bool = False) -> Work:
        booking = Booking(user_id=self.ids[user], amount=amount, created_by=self.ids[user], reference=reference)

        async def work(session: WriteSession) -> Reply:
            made = await self.ledger.charge(session, booking)
            if fail:
                raise StorageUnavailable
            return Reply(status=201, body=str(made.balance_after))

        return work

    def settle_charge(self, user: str, amount: int, reference: str, reply: Reply) -> None:
        """Compare the answer to a charge with what the model says, and follow it."""
        if amount > self.balances[user]:
            assert (reply.status, reply.body) == (402, "insufficient-credits")
            return
        self.booked(user, -amount)
        self.charges.append(Charge(user, amount, reference))
        assert (reply.status, reply.body) == (201, str(self.balances[user]))

    @rule(user=USERS, amount=AMOUNTS)
    def deposit(self, user: str, amount: int) -> None:
        reply = self.send(self.named(user, f"deposit {amount}"), self.depositing(user, amount))
        self.booked(user, amount)
        assert (reply.status, reply.body) == (201, str(self.balances[user]))

    @rule(user=USERS, amount=AMOUNTS)
    def charge(self, user: str, amount: int) -> None:
        reference = new_secret("prediction:")
        reply = self.send(self.named(user, f"charge {amount}"), self.charging(user, amount, reference))
        self.settle_charge(user, amount, reference, reply)

    @rule(user=USERS, amounts=st.lists(AMOUNTS, min_size=2, max_size=6))
    def charge_at_once(self, user: str, amounts: list[int]) -> None:
        """Whoever comes first is served; what is left at the end is what they did not take."""
        references = [new_secret("prediction:") for _ in amounts]
        requests = [self.named(user, f"charge {amount}") for amount in amounts]
        works = [self.charging(user, amount, reference) for amount, reference in zip(amounts, references, strict=True)]

        async def all_of_them() -> list[Reply]:
            now = datetime.now(UTC)
            pairs = zip(requests, works, strict=True)
            return await asyncio.gather(*(self.memory.run_once(request, work, refuse, now) for request, work in pairs))

        before = self.balances[user]
        for amount, reference, request, work, reply in zip(
            amounts, references, requests, works, self.run(all_of_them()), strict=True
        ):
            self.sent.append(Sent(request, work, reply))
            if reply.status == 201:
                self.booked(user, -amount)
                self.charges.append(Charge(user, amount, reference))
        assert 0 <= self.balances[user] <= before
        refused = [
            amount for amount, sent in zip(amounts, self.sent[-len(amounts) :], strict=True) if sent.reply.status == 402
        ]
        assert all(amount > self.balances[user] for amount in refused)

    @rule(user=USERS, amount=AMOUNTS)
    def fail_after_the_charge(self, user: str, amount: int) -> None:
        work = self.charging(user, amount, new_secret("prediction:"), fail=True)
        request = self.named(user, f"charge {amount}")
        if amount > self.balances[user]:
            assert self.run(self.memory.run_once(request, work, refuse, datetime.now(UTC))).status == 402
            return
        with pytest.raises(StorageUnavailable):
            self.run(self.memory.run_once(request, work, refuse, datetime.now(UTC)))

    @rule(user=USERS, amount=AMOUNTS, patience=st.integers(min_value=0, max_value=12))
    def hang_up_and_ask_again(self, user: str, amount: int, patience: int) -> None:
        """Whether the first attempt was made or not, the second one finds it made once."""
        reference = new_secret("prediction:")
        request, work = self.named(user, f"charge {amount}"), self.charging(user, amount, reference)

        async def hang_up() -> None:
            attempt = asyncio.ensure_future(self.memory.run_once(request, work, refuse, datetime.now(UTC)))
            for _ in range(patience):
                await asyncio.sleep(0)
            attempt.cancel()
            await asyncio.wait([attempt])

        self.run(hang_up())
        self.settle_charge(user, amount, reference, self.send(request, work))

    @precondition(lambda self: self.charges)
    @rule(data=st.data())
    def refund(self, data: st.DataObject) -> None:
        charge = data.draw(st.sampled_from(self.charges))
        made = self.run(
            self.database.writes.run(lambda session: self.ledger.refund(session, charge.reference, created_by=None))
        )
        if not charge.is_refunded:
            charge.is_refunded = True
            self.booked(charge.user, charge.amount)
        assert (made.type, made.amount, made.reference) == ("refund", charge.amount, charge.reference)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        sent = data.draw(st.sampled_from(self.sent))
        again = self.run(self.memory.run_once(sent.request, sent.work, refuse, datetime.now(UTC)))
        assert (again.status, again.body, again.is_replay) == (sent.reply.status, sent.reply.body, True)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def reuse_a_key(self, data: st.DataObject) -> None:
        sent = data.draw(st.sampled_from(self.sent))
        known = sent.request
        other = KeyedRequest(user_id=known.user_id, route=known.route, key=known.key, digest="something else")
        with pytest.raises(IdempotencyKeyReused):
            self.run(self.memory.run_once(other, sent.work, refuse, datetime.now(UTC)))

    @rule()
    def restart(self) -> None:
        self.run(self.database.close())
        self.open()

    @invariant()
    def balances_are_those_of_the_model(self) -> None:
        self.run(self.check())

    async def check(self) -> None:
        users = UserRepository(self.database)
        for name, number in self.ids.items():
            user = await users.get(number, seen_by=None)
            assert user is not None
            assert user.balance == self.balances[name] >= 0
            assert (await self.ledger.page(number, limit=1, offset=0)).total == self.n_transactions[name]
        assert await self.ledger.unbalanced() == []


def test_are_what_a_model_of_them_says(database_url: str, pytestconfig: pytest.Config) -> None:
    class HereBookkeeping(Bookkeeping):
        url = database_url

    is_long = pytestconfig.getoption("--faults-long") or os.environ.get("FAULTS_LONG") == "1"
    run_state_machine_as_test(
        HereBookkeeping,
        settings=settings(
            max_examples=EXAMPLES_LONG if is_long else EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
