"""Credits: whole numbers, and how large they may become."""

from enum import StrEnum
from typing import Final

MAX_AMOUNT: Final = 2**53 - 1
"""The largest whole number that every client of JSON reads as it was written."""
MAX_BALANCE: Final = 10**12
"""Deposits end here. Refunds do not: what was taken can always be given back, so it lies far below `MAX_AMOUNT`."""
MAX_DEPOSIT: Final = 1_000_000
MAX_NOTE_CHARACTERS: Final = 256


class TransactionType(StrEnum):
    """Why a balance changed. A withdrawal takes, the others give."""

    DEPOSIT = "deposit"
    WITHDRAW = "withdraw"
    REFUND = "refund"
