"""Requests that are sent again, on both databases: done once, answered every time."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.core.exceptions import IdempotencyKeyReused, InsufficientCredits, ServiceError, StorageUnavailable
from app.database.connection import Database, WriteSession
from app.database.repositories.idempotency import IdempotencyRepository, Reply
from app.database.repositories.ledger import Booking
from app.services.idempotency import IdempotencyService, Named
from tests.integration.test_accounts import add_user
from tests.integration.test_ledger import Bank

MANY = 50
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECRET = "x" * 32

Work = Callable[[WriteSession], Awaitable[Reply]]


class Desk:
    """Charges accounts for requests that bear keys."""

    def __init__(self, database: Database) -> None:
        self.bank = Bank(database)
        self.now = NOW
        self.service = IdempotencyService(IdempotencyRepository(database), SECRET, lambda: self.now)
        self.attempts = 0

    def charging(self, user_id: int, amount: int = 10, fail: type[Exception] | None = None) -> Work:
        self.attempts += 1
        reference = f"prediction:{user_id}:{self.attempts}"

        async def work(session: WriteSession) -> Reply:
            booking = Booking(user_id=user_id, amount=amount, created_by=user_id, reference=reference)
            made = await self.bank.ledger.charge(session, booking)
            if fail is not None:
                raise fail
            return Reply(status=201, body=f'{{"left": {made.balance_after}}}', headers={"x-of": reference})

        return work

    async def ask(self, user_id: int, key: str = "key", content: str = "{}", **work: Any) -> Reply:
        named = Named(user_id=user_id, route="POST /predict", key=key, content=content)
        return await self.service.run(named, self.charging(user_id, **work), refuse)

    async def count(self) -> int:
        async with self.bank.database.read() as session:
            return int((await session.execute(text("SELECT count(*) FROM idempotency_keys"))).scalar_one())


def refuse(error: ServiceError) -> Reply:
    return Reply(status=error.status, body=error.code)


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


@pytest.fixture
async def alice(desk: Desk) -> int:
    number = (await add_user(desk.bank.database)).id
    await desk.bank.deposit(number, 100)
    return number


class TestKey:
    async def test_is_answered_as_before_and_done_once(self, desk: Desk, alice: int) -> None:
        first = await desk.ask(alice)
        assert (first.status, first.body, first.is_replay) == (201, '{"left": 90}', False)
        for _ in range(3):
            again = await desk.ask(alice)
            assert again == Reply(status=201, body=first.body, headers=first.headers, is_replay=True)
        assert await desk.bank.balance(alice) == 90

    async def test_is_done_once_by_fifty_at_once(self, desk: Desk, alice: int) -> None:
        replies = await asyncio.gather(*(desk.ask(alice) for _ in range(MANY)))
        assert len({(reply.status, reply.body, tuple(reply.headers.items())) for reply in replies}) == 1
        assert Counter(reply.is_replay for reply in replies) == {False: 1, True: MANY - 1}
        assert await desk.bank.balance(alice) == 90

    async def test_of_many_at_once_are_kept_apart(self, desk: Desk, alice: int) -> None:
        replies = await asyncio.gather(*(desk.ask(alice, key=f"key {number % 5}") for number in range(MANY)))
        assert Counter(reply.is_replay for reply in replies) == {False: 5, True: MANY - 5}
        assert await desk.bank.balance(alice) == 50

    async def test_stands_for_one_request(self, desk: Desk, alice: int) -> None:
        await desk.ask(alice, content='{"amount":1}')
        with pytest.raises(IdempotencyKeyReused):
            await desk.ask(alice, content='{"amount":2}')
        assert (await desk.ask(alice, content='{"amount":1}')).is_replay
        assert await desk.bank.balance(alice) == 90

    async def test_is_its_callers_own(self, desk: Desk, alice: int) -> None:
        bob = (await add_user(desk.bank.database, "bob")).id
        await desk.bank.deposit(bob, 100)
        assert [(await desk.ask(one)).is_replay for one in (alice, bob, alice)] == [False, False, True]
        assert (await desk.bank.balance(alice), await desk.bank.balance(bob)) == (90, 90)

    async def test_is_another_one_at_another_address(self, desk: Desk, alice: int) -> None:
        await desk.ask(alice)
        named = Named(user_id=alice, route="POST /transactions/deposit", key="key", content="{}")
        assert not (await desk.service.run(named, desk.charging(alice), refuse)).is_replay

    async def test_is_not_needed(self, desk: Desk, alice: int) -> None:
        for _ in range(2):
            assert not (await desk.service.run(None, desk.charging(alice), refuse)).is_replay
        assert (await desk.bank.balance(alice), await desk.count()) == (80, 0)


class TestRefusal:
    async def test_is_an_answer_of_which_nothing_stays(self, desk: Desk, alice: int) -> None:
        refused = await desk.ask(alice, amount=101)
        await desk.bank.deposit(alice, 1000)
        again = await desk.ask(alice, amount=101)
        assert [(one.status, one.body) for one in (refused, again)] == [(402, "insufficient-credits")] * 2
        assert (refused.is_replay, again.is_replay) == (False, True)
        assert await desk.bank.balance(alice) == 1100

    async def test_after_a_charge_takes_the_charge_back(self, desk: Desk, alice: int) -> None:
        assert (await desk.ask(alice, fail=InsufficientCredits)).status == 402
        assert await desk.bank.balance(alice) == 100

    async def test_without_a_key_is_raised(self, desk: Desk, alice: int) -> None:
        with pytest.raises(InsufficientCredits):
            await desk.service.run(None, desk.charging(alice, amount=101), refuse)


class TestFailure:
    @pytest.mark.parametrize("error", [StorageUnavailable, ZeroDivisionError])
    async def test_is_no_answer_and_leaves_nothing(self, desk: Desk, alice: int, error: type[Exception]) -> None:
        with pytest.raises(error):
            await desk.ask(alice, fail=error)
        assert (await desk.bank.balance(alice), await desk.count()) == (100, 0)
        assert not (await desk.ask(alice)).is_replay
        assert await desk.bank.balance(alice) == 90


class TestMemory:
    async def test_outlives_a_restart(self, desk: Desk, alice: int, database_url: str) -> None:
        first = await desk.ask(alice)
        restarted = Database(database_url)
        again = await Desk(restarted).ask(alice)
        await restarted.close()
        assert (again.body, again.is_replay) == (first.body, True)

    async def test_ends_after_a_day(self, desk: Desk, alice: int) -> None:
        await desk.ask(alice)
        desk.now += timedelta(hours=24, microseconds=-1)
        assert (await desk.ask(alice)).is_replay
        desk.now += timedelta(microseconds=1)
        assert not (await desk.ask(alice, content="another")).is_replay
        assert await desk.bank.balance(alice) == 80

    async def test_forgets_what_is_over(self, desk: Desk, alice: int) -> None:
        for number in range(5):
            await desk.ask(alice, key=str(number), amount=1)
        desk.now += timedelta(hours=25)
        await desk.ask(alice, key="new")
        assert await desk.count() == 1

    async def test_holds_no_part_of_the_request(self, desk: Desk, alice: int) -> None:
        await desk.ask(alice, content='{"heart_rate":77}')
        async with desk.bank.database.read() as session:
            row = (await session.execute(text("SELECT * FROM idempotency_keys"))).one()
        assert "heart_rate" not in str(row)

    async def test_holds_what_is_to_be_kept_in_place_of_a_secret(self, desk: Desk, alice: int) -> None:
        async def work(_session: WriteSession) -> Reply:
            return Reply(status=201, body="a secret", kept_body="none")

        named = Named(user_id=alice, route="POST /auth/keys", key="key", content="{}")
        replies = [await desk.service.run(named, work, refuse) for _ in range(2)]
        assert [reply.body for reply in replies] == ["a secret", "none"]
