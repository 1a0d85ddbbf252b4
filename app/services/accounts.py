"""Making accounts, showing them, changing them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from app.core.constants import Role
from app.core.exceptions import (
    AccountFromSettings,
    AdminRequired,
    FieldError,
    InvalidInput,
    NotAuthenticated,
    NotFound,
)
from app.core.names import is_email, is_plain_text, is_username, name_key
from app.core.passwords import PasswordRules, normalize_password
from app.core.security import PasswordHasher, first_token_version
from app.database.repositories.users import NewUser, UserPage, UserRecord, UserRepository
from app.services.administrator import SettingsAdministrator
from app.services.callers import Caller

__all__ = ["AccountService", "Registration", "UserRecord"]

RIGHTS: Final = frozenset({"role", "is_active"})
_EMAIL_SIGN_IN_NAME: Final = "username_is_other_email"


@dataclass(frozen=True, kw_only=True, slots=True)
class Registration:
    """What somebody asks for. The rights at the end are administrators' to give; None leaves them as usual."""

    username: str
    password: str = field(repr=False)
    email: str | None = None
    full_name: str | None = None
    is_admin: bool | None = None
    role: str | None = None
    is_active: bool | None = None

    @property
    def asks_for_rights(self) -> bool:
        """Whether only an administrator may ask so."""
        return bool(self.is_admin) or self.role is not None or self.is_active is not None


class AccountService:
    """Decides about accounts.

    Parameters
    ----------
    users
        Where they are.
    administrator
        The one that the settings describe.
    hasher
        Makes what is kept of passwords.
    rules
        What new passwords must be like.
    registration
        Who may make accounts: anybody, or administrators.
    """

    def __init__(
        self,
        *,
        users: UserRepository,
        administrator: SettingsAdministrator,
        hasher: PasswordHasher,
        rules: PasswordRules,
        registration: Literal["open", "admin"],
    ) -> None:
        self._users = users
        self._administrator = administrator
        self._hasher = hasher
        self._rules = rules
        self._registration = registration

    async def register(self, wish: Registration, caller: Caller | None) -> UserRecord:
        """Make an account.

        Raises
        ------
        NotAuthenticated, AdminRequired
            It is for administrators, or the rights it asks for are theirs to give.
        InvalidInput
            Names or password will not do.
        AccountExists
            The name or the e-mail address is taken.
        """
        if self._registration == "admin" and caller is None:
            raise NotAuthenticated
        if (self._registration == "admin" or wish.asks_for_rights) and not (caller is not None and caller.is_admin):
            raise AdminRequired
        await self._administrator.settle()  # its name must be taken before anybody else's
        return await self.create(wish)

    async def create(self, wish: Registration) -> UserRecord:
        """Make an account, with whatever rights it asks for.

        Raises
        ------
        InvalidInput, AccountExists
            As above.
        """
        password = normalize_password(wish.password)
        faults = [*_faults_of_names(wish), *self._faults_of_password(password, wish)]
        if faults:
            raise InvalidInput(errors=faults)
        # Hashed before anybody knows whether the name is taken, so that the time does not tell it either.
        password_hash = await self._hasher.hash(password)
        return await self._users.add(
            NewUser(
                username=wish.username,
                email=wish.email,
                full_name=wish.full_name,
                role=_role(wish),
                is_active=wish.is_active is not False,
                is_from_settings=False,
                password_hash=password_hash,
                token_version=first_token_version(),
            )
        )

    async def get(self, user_id: int, caller: Caller) -> UserRecord:
        """Return an account.

        Raises
        ------
        NotFound
            There is none, or it is somebody else's.
        """
        caller.require_full_rights()
        user = await self._users.get(user_id, seen_by=caller.sees)
        if user is None:
            raise NotFound
        return user

    async def page(self, caller: Caller, *, limit: int, offset: int) -> UserPage:
        """Return accounts, oldest first.

        Raises
        ------
        AdminRequired
            The caller is no administrator.
        """
        caller.require_admin()
        return await self._users.page(limit=limit, offset=offset)

    async def change(self, user_id: int, values: Mapping[str, object], caller: Caller) -> UserRecord:
        """Change what was named of an account; other rights end its sessions.

        Raises
        ------
        InvalidInput
            A value will not do, or it is not the owner's to change.
        NotFound
            There is none, or it is somebody else's.
        AccountExists
            The e-mail address is taken.
        AccountFromSettings
            The rights are what the settings say.
        """
        user = await self.get(user_id, caller)
        if not caller.is_admin and RIGHTS & values.keys():
            raise InvalidInput(errors=[FieldError(loc=("body",), type="field_not_taken")])
        if user.is_from_settings and any(values[name] != getattr(user, name) for name in RIGHTS & values.keys()):
            raise AccountFromSettings
        faults = _faults_of_changes(user, values)
        if faults:
            raise InvalidInput(errors=faults)
        changed = await self._users.change(user_id, values, seen_by=caller.sees)
        if changed is None:
            raise NotFound
        return changed

    async def set_active(self, name: str, *, is_active: bool) -> UserRecord:
        """Open or close an account by its name; closing ends its sessions.

        Raises
        ------
        NotFound, AccountFromSettings
            There is none of this name, or it is the settings'.
        """
        user = await self._changeable(name)
        return await self._users.change(user.id, {"is_active": is_active}, seen_by=None) or user

    async def reset_password(self, name: str, password: str) -> UserRecord:
        """Give an account another password, and end its sessions.

        Raises
        ------
        NotFound, AccountFromSettings, InvalidInput
            As above, or the password will not do.
        """
        user, password = await self._changeable(name), normalize_password(password)
        fault = self._rules.find_fault(password, (user.username, user.email))
        if fault is not None:
            raise InvalidInput(errors=[fault])
        password_hash = await self._hasher.hash(password)
        return await self._users.set_password(user.id, password_hash, instead_of=None) or user

    async def list_all(self, *, limit: int, offset: int) -> UserPage:
        """Return accounts to whoever runs the service."""
        return await self._users.page(limit=limit, offset=offset)

    async def _changeable(self, name: str) -> UserRecord:
        user = await self._users.find_by_login(name)
        if user is None:
            raise NotFound
        if user.is_from_settings:
            raise AccountFromSettings
        return user

    def _faults_of_password(self, password: str, wish: Registration) -> list[FieldError]:
        fault = self._rules.find_fault(password, (wish.username, wish.email))
        return [] if fault is None else [fault]


def _role(wish: Registration) -> str:
    """Return the role that is asked for; `is_admin` says the same as the role `admin`.

    Raises
    ------
    InvalidInput
        The two disagree.
    """
    if wish.is_admin is None:
        return wish.role or Role.PATIENT
    if wish.role is not None and wish.is_admin != (wish.role == Role.ADMIN):
        raise InvalidInput(errors=[FieldError(loc=("body", "role"), type="invalid")])
    return wish.role or (Role.ADMIN if wish.is_admin else Role.PATIENT)


def _faults_of_names(wish: Registration) -> list[FieldError]:
    faults = [
        FieldError(loc=("body", name), type=kind)
        for name, kind, is_right in (
            ("username", "username_invalid", is_username(wish.username)),
            ("email", "email_invalid", wish.email is None or is_email(wish.email)),
            ("full_name", "text_not_plain", wish.full_name is None or is_plain_text(wish.full_name)),
        )
        if not is_right
    ]
    if not faults and is_email(wish.username) and name_key(wish.username) != name_key(wish.email or ""):
        faults.append(FieldError(loc=("body", "email"), type=_EMAIL_SIGN_IN_NAME))
    return faults


def _faults_of_changes(user: UserRecord, values: Mapping[str, object]) -> list[FieldError]:
    faults = []
    email, full_name = values.get("email"), values.get("full_name")
    if isinstance(email, str) and not is_email(email):
        faults.append(FieldError(loc=("body", "email"), type="email_invalid"))
    elif "email" in values and is_email(user.username) and name_key(str(email or "")) != name_key(user.username):
        faults.append(FieldError(loc=("body", "email"), type=_EMAIL_SIGN_IN_NAME))
    if isinstance(full_name, str) and not is_plain_text(full_name):
        faults.append(FieldError(loc=("body", "full_name"), type="text_not_plain"))
    return faults
