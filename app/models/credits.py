"""Shapes of what is said about credits."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.core.credits import MAX_DEPOSIT
from app.models.schemas import Moment

MAX_ID = 2**53 - 1
"""No account has a larger number, and the API's schema, which writes bounds in floating point, says it exactly."""


class DepositRequest(BaseModel):
    """Credits for an account. The type is said because this is how clients write it; there is no other."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    user_id: int = Field(ge=1, le=MAX_ID, description="one's own, or as an administrator any", examples=[1])
    amount: int = Field(ge=1, le=MAX_DEPOSIT, description="whole credits", examples=[10])
    type: Literal["deposit"] = "deposit"


class TransactionAnswer(BaseModel):
    """One change of a balance."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    user_id: int
    type: Literal["deposit", "withdraw", "refund"]
    amount: int = Field(description="whole credits, whichever way they went")
    balance_after: int
    created_at: Moment = Field(description="UTC")
    created_by: int | None = Field(description="number of the account that asked for it; null for scripts")
    reference: str | None = Field(description="what it is about")
    note: str | None


class TransactionsAnswer(BaseModel):
    """A page of an account's transactions, newest first."""

    total: int
    transactions: list[TransactionAnswer]
