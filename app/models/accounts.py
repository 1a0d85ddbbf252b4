"""Shapes of what is said about accounts."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.core.names import MAX_EMAIL_CHARACTERS, MAX_USERNAME_CHARACTERS
from app.models.schemas import Moment

MAX_SENT_PASSWORD_CHARACTERS = 1024
"""Longer ones are not looked at; how long a new one may be, the rules for passwords say."""

_Role = Literal["patient", "doctor", "admin"]
_Scope = Literal["predict", "history:read", "admin"]
_Name = Annotated[str, Field(min_length=1, max_length=MAX_USERNAME_CHARACTERS, examples=["alice"])]
_Email = Annotated[str, Field(min_length=3, max_length=MAX_EMAIL_CHARACTERS, examples=["alice@example.com"])]
_FullName = Annotated[str, Field(min_length=1, max_length=128)]
_Password = Annotated[str, Field(min_length=1, max_length=MAX_SENT_PASSWORD_CHARACTERS)]


def _whole(value: object) -> object:
    """Take 30.0 for 30, as JSON does."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _without_default(schema: dict[str, Any]) -> None:
    """Say nothing of a default that is never used: what is not named stays as it is."""
    del schema["default"]


class _Request(BaseModel):
    """A body in which nothing is overlooked: no field that is not known, no value that has to be reinterpreted."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class RegisterRequest(_Request):
    """A new account; the last three are administrators' to give."""

    username: _Name
    password: _Password
    email: _Email | None = None
    full_name: _FullName | None = None
    is_admin: bool | None = Field(default=None, description="the same as the role `admin`")
    role: _Role | None = Field(default=None, description="`patient` where it is not given")
    is_active: bool | None = None


class RegisteredAnswer(BaseModel):
    """The account that was made."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    username: str
    email: str | None
    role: _Role


class AccountAnswer(BaseModel):
    """An account as its owner and administrators see it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    username: str
    email: str | None
    full_name: str | None
    role: _Role
    is_active: bool
    balance: int = Field(description="whole credits")
    created_at: Moment = Field(description="UTC")


class AccountsAnswer(BaseModel):
    """A page of accounts, oldest first."""

    total: int
    users: list[AccountAnswer]


class AccountChange(_Request):
    """What is to be changed; what is not named stays. The last two are administrators' to change."""

    email: _Email | None = None
    full_name: _FullName | None = None
    role: _Role = Field(default="patient", json_schema_extra=_without_default)
    is_active: bool = Field(default=True, json_schema_extra=_without_default)


class PasswordChange(_Request):
    """The password as it is and as it should be."""

    current_password: _Password
    new_password: _Password


class RefreshRequest(_Request):
    """A refresh token."""

    refresh_token: str = Field(min_length=1, max_length=4096)


class ApiKeyRequest(_Request):
    """A new key."""

    name: str = Field(min_length=1, max_length=64, description="for its owner to remember what it is for")
    scopes: list[_Scope] = Field(max_length=3, description="what it may be used for")
    expires_in_days: Annotated[int, Field(ge=1, le=3650), BeforeValidator(_whole)] | None = Field(
        default=90, description="null: it does not end by itself"
    )


class ApiKeyAnswer(BaseModel):
    """A key, without what would open anything."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    prefix: str = Field(description="how the key begins", examples=["ecg_9mKq2Lr7"])
    scopes: list[_Scope]
    created_at: Moment
    expires_at: Moment | None
    last_used_at: Moment | None = Field(description="to the minute")


class NewApiKeyAnswer(ApiKeyAnswer):
    """A key at the only moment at which it can be read."""

    key: str | None = Field(description="null where the request was sent again: it is shown once and not kept")


class ApiKeysAnswer(BaseModel):
    """A page of keys, oldest first."""

    total: int
    keys: list[ApiKeyAnswer]


class PrivateAnswer(BaseModel):
    """The token is valid."""

    message: str
    username: str
