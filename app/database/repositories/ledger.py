"""Credits: what was given and taken, and what is left of it.

Every change of a balance is one conditional UPDATE and one row that says why, in the transaction of whoever asks: what
is paid for can stand in the same one. The UPDATE locks the account, so the rows of an account are in order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Table, case, func, select, true, update
from sqlalchemy.dialects import postgresql, sqlite

from app.core.credits import MAX_BALANCE, TransactionType
from app.core.exceptions import AlreadyBooked, BalanceLimit, InsufficientCredits, NotFound, ServiceError
from app.database.connection import Database, ReadSession, WriteSession
from app.database.models import Transaction
from app.database.repositories.users import TABLE as USERS
from app.database.repositories.users import lock_user

TABLE: Final = cast("Table", Transaction.__table__)
_GIVEN: Final = case((TABLE.c.type == TransactionType.WITHDRAW.value, -TABLE.c.amount), else_=TABLE.c.amount)


@dataclass(frozen=True, kw_only=True, slots=True)
class Booking:
    """What is to be written down of a change.

    Attributes
    ----------
    user_id
        Whose balance it is.
    amount
        Credits, at least 1; what is free is not booked.
    created_by
        Who asked for it; None where nobody was logged in.
    reference
        What it is about. There is one charge and one refund for a thing; only a deposit may be about nothing.
    note
        A remark for people. It can be emptied later, which nothing else can.
    """

    user_id: int
    amount: int
    created_by: int | None
    reference: str | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TransactionRecord(Booking):
    """A change that was made."""

    id: int
    type: str
    balance_after: int
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class TransactionPage:
    """Some transactions of an account, newest first, and how many it has in all."""

    total: int
    transactions: Sequence[TransactionRecord]


class LedgerRepository:
    """The only place that knows how credits are stored; nothing else writes balances."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = sqlite.insert if database.dialect == "sqlite" else postgresql.insert

    async def deposit(self, session: WriteSession, booking: Booking) -> TransactionRecord:
        """
        Give credits within a transaction.

        Raises
        ------
        BalanceLimit
            The balance would become too large.
        NotFound
            There is no such account.
        AlreadyBooked
            There is a deposit about the same thing.
        """
        fits = USERS.c.balance <= MAX_BALANCE - booking.amount
        balance = await _move(session, booking.user_id, booking.amount, fits, BalanceLimit)
        return await self._append(session, booking, TransactionType.DEPOSIT, balance)

    async def charge(self, session: WriteSession, booking: Booking) -> TransactionRecord:
        """
        Take credits within a transaction, if there are so many.

        Raises
        ------
        InsufficientCredits
            There are not.
        NotFound
            There is no such account.
        AlreadyBooked
            The same thing was charged for.
        """
        covered = USERS.c.balance >= booking.amount
        balance = await _move(session, booking.user_id, -booking.amount, covered, InsufficientCredits)
        return await self._append(session, booking, TransactionType.WITHDRAW, balance)

    async def refund(
        self, session: WriteSession, reference: str, *, created_by: int | None, note: str | None = None
    ) -> TransactionRecord:
        """
        Give back what was charged for a thing, within a transaction; once, however often it is asked for.

        Returns
        -------
        The refund, made now or before.

        Raises
        ------
        NotFound
            It was never charged for.
        """
        charge = await _find(session, TransactionType.WITHDRAW, reference)
        if charge is None:
            raise NotFound
        # Locked before looking, in a statement of its own: only so another's refund is seen once it is committed.
        await lock_user(session, charge.user_id)
        earlier = await _find(session, TransactionType.REFUND, reference)
        if earlier is not None:
            return earlier
        booking = Booking(
            user_id=charge.user_id, amount=charge.amount, created_by=created_by, reference=reference, note=note
        )
        balance = await _move(session, booking.user_id, booking.amount, true(), BalanceLimit)
        return await self._append(session, booking, TransactionType.REFUND, balance)

    async def page(self, user_id: int, *, limit: int, offset: int) -> TransactionPage:
        """Return at most `limit` transactions of an account after its `offset` newest."""
        its = TABLE.c.user_id == user_id
        newest = select(TABLE).where(its).order_by(TABLE.c.id.desc()).limit(limit).offset(offset)
        async with self._database.read() as session:
            total = (await session.execute(select(func.count()).select_from(TABLE).where(its))).scalar_one()
            rows = (await session.execute(newest)).mappings().all()
        return TransactionPage(total=total, transactions=[TransactionRecord(**row) for row in rows])

    async def unbalanced(self) -> Sequence[int]:
        """Return the numbers of accounts whose balance is not what their transactions add up to: there must be none."""
        sums = select(TABLE.c.user_id, func.sum(_GIVEN).label("credits")).group_by(TABLE.c.user_id).subquery()
        is_off = USERS.c.balance != func.coalesce(sums.c.credits, 0)
        query = select(USERS.c.id).join(sums, sums.c.user_id == USERS.c.id, isouter=True).where(is_off)
        async with self._database.read() as session:
            return (await session.execute(query.order_by(USERS.c.id))).scalars().all()

    async def _append(
        self, session: WriteSession, booking: Booking, kind: TransactionType, balance: int
    ) -> TransactionRecord:
        values = {
            **{name: getattr(booking, name) for name in Booking.__slots__},
            "type": kind.value,
            "balance_after": balance,
            "created_at": datetime.now(UTC),
        }
        statement = self._insert(TABLE).values(values).on_conflict_do_nothing().returning(*TABLE.columns)
        row = (await session.execute(statement)).mappings().one_or_none()
        if row is None:
            raise AlreadyBooked
        return TransactionRecord(**row)


async def _move(
    session: WriteSession, user_id: int, credits_: int, allowed: ColumnElement[bool], refusal: type[ServiceError]
) -> int:
    """Change a balance where that is allowed, and return it as it is then."""
    its = USERS.c.id == user_id
    statement = update(USERS).where(its, allowed).values(balance=USERS.c.balance + credits_)
    balance = (await session.execute(statement.returning(USERS.c.balance))).scalar_one_or_none()
    if balance is not None:
        return int(balance)
    is_there = (await session.execute(select(USERS.c.id).where(its))).first() is not None
    raise refusal() if is_there else NotFound()


async def _find(session: ReadSession, kind: TransactionType, reference: str) -> TransactionRecord | None:
    query: Any = select(TABLE).where(TABLE.c.type == kind.value, TABLE.c.reference == reference)
    row = (await session.execute(query)).mappings().one_or_none()
    return None if row is None else TransactionRecord(**row)
