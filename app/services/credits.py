"""Giving credits, and telling where they went."""

from collections.abc import Sequence

from app.core.config import Settings
from app.core.credits import MAX_DEPOSIT, MAX_NOTE_CHARACTERS
from app.core.exceptions import AdminRequired, FieldError, InvalidInput, NotFound
from app.core.names import is_plain_text
from app.database.connection import Database, Unit, WriteSession
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
        return self._depositing(Booking(user_id=user_id, amount=amount, created_by=caller.user.id))

    async def give(self, name: str, amount: int, note: str | None) -> Unit[TransactionRecord]:
        """Find an account by its name; return the work that gives it credits, for whoever runs the service.

        Raises
        ------
        InvalidInput
            The amount or the note will not do.
        NotFound
            There is none of this name.
        """
        faults = [*_faults_of_amount(amount), *_faults_of_note(note)]
        if faults:
            raise InvalidInput(errors=faults)
        user = await self._users.find_by_login(name)
        if user is None:
            raise NotFound
        return self._depositing(Booking(user_id=user.id, amount=amount, created_by=None, note=note))

    async def unbalanced(self) -> Sequence[int]:
        """Return the numbers of accounts whose balance is not what their transactions add up to: there must be none."""
        return await self._ledger.unbalanced()

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

    def _depositing(self, booking: Booking) -> Unit[TransactionRecord]:
        async def unit(session: WriteSession) -> TransactionRecord:
            return await self._ledger.deposit(session, booking)

        return unit


def build_credit_service(settings: Settings, database: Database) -> CreditService:
    """Put the service together; nothing is read or written yet."""
    return CreditService(
        ledger=LedgerRepository(database),
        users=UserRepository(database),
        self_deposit=settings.deposits_to_oneself,
    )


def _faults_of_amount(amount: int) -> list[FieldError]:
    if amount < 1:
        return [FieldError(loc=("arguments", "amount"), type="too_small", params={"limit": 1})]
    if amount > MAX_DEPOSIT:
        return [FieldError(loc=("arguments", "amount"), type="too_large", params={"limit": MAX_DEPOSIT})]
    return []


def _faults_of_note(note: str | None) -> list[FieldError]:
    if note is None:
        return []
    if len(note) > MAX_NOTE_CHARACTERS:
        return [FieldError(loc=("arguments", "note"), type="value_too_long")]
    return [] if is_plain_text(note) else [FieldError(loc=("arguments", "note"), type="text_not_plain")]
