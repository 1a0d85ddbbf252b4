"""Who is calling, and what they may do."""

from dataclasses import dataclass

from app.core.constants import Role
from app.core.exceptions import AdminRequired, NotAuthenticated, WrongCredentials
from app.core.security import Claims, PasswordHasher, TokenSigner, same_text


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """Somebody with a valid token."""

    username: str
    role: str

    @property
    def is_admin(self) -> bool:
        """Whether administrators' addresses are open to them."""
        return self.role == Role.ADMIN


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Somebody who can log in.

    Attributes
    ----------
    version
        Number in their tokens; changes with the credentials.
    """

    username: str
    role: Role
    password_hash: str
    version: int


class AuthService:
    """Logs the administrator in and reads tokens.

    Parameters
    ----------
    admin
        The account from the settings.
    signer
        Makes and reads tokens.
    hasher
        Compares passwords.
    """

    def __init__(self, *, admin: Account, signer: TokenSigner, hasher: PasswordHasher) -> None:
        self._admin = admin
        self._signer = signer
        self._hasher = hasher

    async def login(self, username: str, password: str) -> str:
        """Return a token.

        Raises
        ------
        WrongCredentials
            Without saying whether there is such a user.
        """
        # Compared also for a name nobody has, so that the time tells nothing.
        matches = await self._hasher.verify(password, self._admin.password_hash)
        if not (same_text(username, self._admin.username) and matches):
            raise WrongCredentials
        return self._signer.issue(subject=self._admin.username, role=self._admin.role, version=self._admin.version)

    def identify(self, token: str | None) -> User:
        """Return the user of a token.

        Raises
        ------
        NotAuthenticated
            No token, or not one of ours.
        TokenExpired
            It was valid once.
        """
        if token is None:
            raise NotAuthenticated
        claims = self._signer.read(token)
        if claims.role == Role.ADMIN and not self._is_current_admin(claims):
            raise NotAuthenticated
        return User(username=claims.sub, role=claims.role)

    def identify_admin(self, token: str | None) -> User:
        """Return the administrator of a token.

        Raises
        ------
        AdminRequired
            A valid token without the role.
        NotAuthenticated, TokenExpired
            No valid token.
        """
        user = self.identify(token)
        if not user.is_admin:
            raise AdminRequired
        return user

    def _is_current_admin(self, claims: Claims) -> bool:
        """Refuse tokens from before the administrator's name or password was changed."""
        return same_text(claims.sub, self._admin.username) and claims.ver == self._admin.version
