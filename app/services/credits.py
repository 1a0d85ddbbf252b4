"""Giving credits, and telling where they went."""

from app.core.exceptions import AdminRequired, NotFound
from app.database.connection import Unit, WriteSession
from app.database.repositories.ledger import Booking, LedgerRepository, TransactionPage, TransactionRecord
from app.database.repositories.users import UserRepository
from app.services.callers import Caller


class CreditService:
    """Decides about credits.

    Parameters
    ----------
    ledger, users
        Where credits and accounts are.
    self_deposit
        Whether accounts may give credits to themselves.
    """

    def __init__(self, *, ledger: LedgerRepository, users: UserRepository, self_deposit: bool) -> None:
        self._ledger = ledger
        self._users = users
        self._self_deposit = self_deposit

    def deposit(self, user_id: int, amount: int, caller: Caller) -> Unit[TransactionRecord]:
        """Decide whether credits may be given to an account; return the work that does it.

        The work raises NotFound and BalanceLimit as `LedgerRepository.deposit` does.

        Raises
        ------
        AdminRequired
            Only administrators give credits here.
        LoginRequired
            A limited key asks for it.
        NotFound
            It is somebody else's account.
        """
        caller.require_full_rights()
        if not (self._self_deposit or caller.is_admin):
            raise AdminRequired
        if caller.sees not in {None, user_id}:
            raise NotFound
        booking = Booking(user_id=user_id, amount=amount, created_by=caller.user.id)

        async def unit(session: WriteSession) -> TransactionRecord:
            return await self._ledger.deposit(session, booking)

        return unit

    async def page(self, user_id: int | None, caller: Caller, *, limit: int, offset: int) -> TransactionPage:
        """Return an account's transactions, newest first; the caller's own where none is named.

        Raises
        ------
        LoginRequired
            A limited key asks for it.
        NotFound
            There is no such account, or it is somebody else's.
        """
        caller.require_full_rights()
        whose = caller.user.id if user_id is None else user_id
        if await self._users.get(whose, seen_by=caller.sees) is None:
            raise NotFound
        return await self._ledger.page(whose, limit=limit, offset=offset)
