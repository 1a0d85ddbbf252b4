"""Who is calling, and what they may do."""

from dataclasses import dataclass

from app.core.constants import Role, Scope
from app.core.exceptions import AdminRequired, LoginRequired
from app.database.repositories.users import UserRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Somebody whose credentials are valid.

    Attributes
    ----------
    user
        The account, as it was when the request came.
    scopes
        What an API key is limited to; None where all that the role allows is allowed.
    session_id
        The session they logged in to; None for keys and tokens of programs.
    """

    user: UserRecord
    scopes: frozenset[str] | None = None
    session_id: int | None = None

    @property
    def is_admin(self) -> bool:
        """Whether administrators' addresses are open to them."""
        return self.user.role == Role.ADMIN and self.may(Scope.ADMIN)

    @property
    def sees(self) -> int | None:
        """The number of the account whose things they may see; None: everybody's."""
        return None if self.is_admin else self.user.id

    def may(self, scope: Scope) -> bool:
        """Tell whether the key they use, if they use one, is meant for this."""
        return self.scopes is None or scope in self.scopes or Scope.ADMIN in self.scopes

    def require_admin(self) -> None:
        """Refuse whoever is no administrator.

        Raises
        ------
        AdminRequired
            They are not, or their key is not meant for it.
        """
        if not self.is_admin:
            raise AdminRequired

    def require_history(self) -> None:
        """Refuse whoever may not read a closed history.

        Raises
        ------
        AdminRequired
            They are no administrator, or their key is not meant for it.
        """
        if not (self.user.role == Role.ADMIN and self.may(Scope.HISTORY_READ)):
            raise AdminRequired

    def require_login(self) -> int:
        """Refuse programs: what a key can do must not make more keys. Return the session.

        Raises
        ------
        LoginRequired
            They use a key or the administrator's token.
        """
        if self.session_id is None:
            raise LoginRequired
        return self.session_id

    def require_full_rights(self) -> None:
        """Refuse keys that are limited to something else.

        Raises
        ------
        LoginRequired
            The key is limited.
        """
        if not self.may(Scope.ADMIN):
            raise LoginRequired
