"""Credits on both databases: asked for by many at once, and guarded from everybody who would change what was."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.core.credits import MAX_AMOUNT, MAX_BALANCE
from app.core.exceptions import AlreadyBooked, BalanceLimit, InsufficientCredits, NotFound
from app.database.connection import Database, WriteSession
from app.database.repositories.ledger import Booking, LedgerRepository, TransactionRecord
from app.database.repositories.users import UserRepository
from tests.integration.test_accounts import add_user

MANY = 50
NOBODY = 987_654


class Bank:
    """Single changes, each in a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.ledger = LedgerRepository(database)

    async def deposit(self, user_id: int, amount: int, **more: Any) -> TransactionRecord:
        booking = Booking(user_id=user_id, amount=amount, **{"created_by": None, **more})
        return await self.database.writes.run(lambda session: self.ledger.deposit(session, booking))

    async def charge(self, user_id: int, amount: int, reference: str) -> TransactionRecord:
        booking = Booking(user_id=user_id, amount=amount, created_by=user_id, reference=reference)
        return await self.database.writes.run(lambda session: self.ledger.charge(session, booking))

    async def refund(self, reference: str) -> TransactionRecord:
        return await self.database.writes.run(
            lambda session: self.ledger.refund(session, reference, created_by=None, note="failed")
        )

    async def balance(self, user_id: int) -> int:
        user = await UserRepository(self.database).get(user_id, seen_by=None)
        assert user is not None
        assert await self.ledger.unbalanced() == []
        return user.balance

    async def kinds(self, user_id: int) -> list[str]:
        page = await self.ledger.page(user_id, limit=1000, offset=0)
        assert page.total == len(page.transactions)
        return [one.type for one in page.transactions]


@pytest.fixture
def bank(database: Database) -> Bank:
    return Bank(database)


@pytest.fixture
async def alice(database: Database) -> int:
    return (await add_user(database)).id


async def outcomes(attempts: list[Coroutine[Any, Any, Any]]) -> Counter[str]:
    return Counter(type(one).__name__ for one in await asyncio.gather(*attempts, return_exceptions=True))


class TestBalance:
    async def test_begins_with_nothing(self, bank: Bank, alice: int) -> None:
        assert await bank.balance(alice) == 0
        assert await bank.kinds(alice) == []

    async def test_is_what_was_given_without_what_was_taken(self, bank: Bank, alice: int) -> None:
        given = await bank.deposit(alice, 25, created_by=alice, note="thanks")
        taken = await bank.charge(alice, 10, "prediction:1")
        back = await bank.refund("prediction:1")
        assert [(one.type, one.amount, one.balance_after) for one in (given, taken, back)] == [
            ("deposit", 25, 25),
            ("withdraw", 10, 15),
            ("refund", 10, 25),
        ]
        assert (given.created_by, given.reference, given.note) == (alice, None, "thanks")
        assert (back.created_by, back.reference, back.note) == (None, "prediction:1", "failed")
        assert given.created_at <= taken.created_at <= back.created_at
        assert await bank.balance(alice) == 25

    async def test_may_be_spent_to_the_last_credit(self, bank: Bank, alice: int) -> None:
        await bank.deposit(alice, 10)
        await bank.charge(alice, 10, "prediction:1")
        assert await bank.balance(alice) == 0
        with pytest.raises(InsufficientCredits):
            await bank.charge(alice, 1, "prediction:2")

    async def test_of_somebody_else_stays(self, bank: Bank, alice: int) -> None:
        bob = (await add_user(bank.database, "bob")).id
        await bank.deposit(bob, 7)
        await bank.deposit(alice, 5)
        await bank.charge(alice, 5, "prediction:1")
        assert (await bank.balance(alice), await bank.balance(bob)) == (0, 7)

    async def test_has_an_end_for_deposits_but_not_for_refunds(self, bank: Bank, alice: int) -> None:
        await bank.deposit(alice, MAX_BALANCE)
        with pytest.raises(BalanceLimit):
            await bank.deposit(alice, 1)
        await bank.charge(alice, 10, "prediction:1")
        await bank.deposit(alice, 10)
        await bank.refund("prediction:1")
        assert await bank.balance(alice) == MAX_BALANCE + 10

    async def test_of_nobody_is_not_found(self, bank: Bank) -> None:
        for attempt in (bank.deposit(NOBODY, 1), bank.charge(NOBODY, 1, "prediction:1"), bank.refund("prediction:1")):
            with pytest.raises(NotFound):
                await attempt


class TestManyAtOnce:
    async def test_spend_no_more_than_there_is(self, bank: Bank, alice: int) -> None:
        await bank.deposit(alice, 25)
        charges = [bank.charge(alice, 10, f"prediction:{number}") for number in range(MANY)]
        assert await outcomes([*charges]) == {"TransactionRecord": 2, "InsufficientCredits": MANY - 2}
        assert await bank.balance(alice) == 5
        assert await bank.kinds(alice) == ["withdraw", "withdraw", "deposit"]

    async def test_refund_once(self, bank: Bank, alice: int) -> None:
        await bank.deposit(alice, 25)
        await bank.charge(alice, 10, "prediction:1")
        refunds = await asyncio.gather(*(bank.refund("prediction:1") for _ in range(MANY)))
        assert len({one.id for one in refunds}) == 1
        assert await bank.balance(alice) == 25

    async def test_charge_for_a_thing_once(self, bank: Bank, alice: int) -> None:
        bob = (await add_user(bank.database, "bob")).id
        for one in (alice, bob):
            await bank.deposit(one, 1000)
        charges = [bank.charge((alice, bob)[number % 2], 10, "prediction:1") for number in range(MANY)]
        assert await outcomes([*charges]) == {"TransactionRecord": 1, "AlreadyBooked": MANY - 1}
        assert await bank.balance(alice) + await bank.balance(bob) == 1990

    async def test_deposit_all_of_it_in_one_order(self, bank: Bank, alice: int) -> None:
        await asyncio.gather(*(bank.deposit(alice, 1) for _ in range(MANY)))
        page = await bank.ledger.page(alice, limit=1000, offset=0)
        assert [one.balance_after for one in page.transactions] == list(range(MANY, 0, -1))
        assert await bank.balance(alice) == MANY


class TestUnit:
    async def test_that_fails_takes_its_charge_back(self, bank: Bank, alice: int) -> None:
        await bank.deposit(alice, 25)

        async def charge_and_fail(session: WriteSession) -> None:
            booking = Booking(user_id=alice, amount=10, created_by=alice, reference="prediction:1")
            await bank.ledger.charge(session, booking)
            raise AlreadyBooked

        with pytest.raises(AlreadyBooked):
            await bank.database.writes.run(charge_and_fail)
        assert await bank.balance(alice) == 25
        assert await bank.kinds(alice) == ["deposit"]

    async def test_may_hold_a_charge_and_its_refund(self, bank: Bank, alice: int) -> None:
        await bank.deposit(alice, 25)

        async def charge_and_refund(session: WriteSession) -> None:
            booking = Booking(user_id=alice, amount=10, created_by=alice, reference="prediction:1")
            await bank.ledger.charge(session, booking)
            await bank.ledger.refund(session, "prediction:1", created_by=None)

        await bank.database.writes.run(charge_and_refund)
        assert await bank.balance(alice) == 25
        assert await bank.kinds(alice) == ["refund", "withdraw", "deposit"]


class TestPage:
    async def test_shows_the_newest_first(self, bank: Bank, alice: int) -> None:
        for amount in range(1, 6):
            await bank.deposit(alice, amount)
        page = await bank.ledger.page(alice, limit=2, offset=1)
        assert (page.total, [one.amount for one in page.transactions]) == (5, [4, 3])


def inserting(user_id: str = "user_id", kind: str = "type", amount: int = 1) -> str:
    columns = "user_id, type, amount, balance_after, created_at"
    values = f"{user_id}, {kind}, {amount}, balance_after, created_at"
    return f"INSERT INTO transactions ({columns}) SELECT {values} FROM transactions"


FORBIDDEN = [
    "UPDATE transactions SET amount = 1000",
    "UPDATE transactions SET balance_after = balance_after + 1",
    "UPDATE transactions SET type = 'refund', reference = 'x'",
    "UPDATE transactions SET created_by = user_id",
    "UPDATE transactions SET note = 'another'",
    "UPDATE transactions SET note = NULL, amount = 1000",
    "DELETE FROM transactions",
    "DELETE FROM users",
    "UPDATE users SET balance = -1",
    f"UPDATE users SET balance = {MAX_AMOUNT + 1}",
    inserting(amount=0),
    inserting(kind="'withdraw'"),
    inserting(kind="'gift'"),
    inserting(user_id=str(NOBODY)),
]


class TestRows:
    async def run(self, bank: Bank, statement: str) -> None:
        async def unit(session: WriteSession) -> None:
            await session.execute(text(statement))

        await bank.database.writes.run(unit)

    @pytest.mark.parametrize("statement", FORBIDDEN)
    async def test_are_not_changed_by_anybody(self, bank: Bank, alice: int, statement: str) -> None:
        made = await bank.deposit(alice, 25, note="thanks")
        with pytest.raises(IntegrityError):
            await self.run(bank, statement)
        assert (await bank.ledger.page(alice, limit=2, offset=0)).transactions == [made]
        assert await bank.balance(alice) == 25

    async def test_lose_their_notes_and_nothing_else(self, bank: Bank, alice: int) -> None:
        await bank.deposit(alice, 25, note="from Alice's mother")
        await self.run(bank, "UPDATE transactions SET note = NULL")
        (kept,) = (await bank.ledger.page(alice, limit=2, offset=0)).transactions
        assert (kept.note, kept.amount) == (None, 25)

    @pytest.mark.parametrize("database_url", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True)
    async def test_are_not_truncated(self, bank: Bank, alice: int) -> None:
        await bank.deposit(alice, 25)
        with pytest.raises(IntegrityError):
            await self.run(bank, "TRUNCATE transactions")
        assert await bank.balance(alice) == 25


class TestUnbalanced:
    async def test_names_whose_balance_is_not_the_sum(self, bank: Bank, alice: int) -> None:
        bob = (await add_user(bank.database, "bob")).id
        await bank.deposit(alice, 25)
        await TestRows().run(bank, f"UPDATE users SET balance = balance + 1 WHERE id IN ({alice}, {bob})")
        assert await bank.ledger.unbalanced() == [alice, bob]
