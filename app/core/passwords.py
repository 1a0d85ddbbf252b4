"""What a new password must be like.

It is whatever text its owner likes: any script, spaces, no classes of characters to tick off. It must be long enough,
and nothing that is guessed first.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from app.core.exceptions import FieldError
from app.core.names import EMAIL_SIGN, is_plain_text, name_key

MAX_PASSWORD_CHARACTERS: Final = 128
_LIST: Final = Path(__file__).with_name("common_passwords.txt")


@dataclass(frozen=True, kw_only=True, slots=True)
class PasswordRules:
    """How long a new password is at least, and how many of the most common ones are refused.

    Attributes
    ----------
    n_common
        None for all that are known.
    """

    min_characters: int
    n_common: int | None

    def find_fault(
        self, password: str, names: Iterable[str | None] = (), loc: tuple[str | int, ...] = ("body", "password")
    ) -> FieldError | None:
        """Return what is wrong with a new password, None where it will do.

        Parameters
        ----------
        password
            As `normalize_password` returns it.
        names
            What the account is called, which is a first guess.
        loc
            Where the password stood.
        """
        if len(password) < self.min_characters:
            return FieldError(loc=loc, type="password_too_short", params={"limit": self.min_characters})
        if len(password) > MAX_PASSWORD_CHARACTERS:
            return FieldError(loc=loc, type="password_too_long", params={"limit": MAX_PASSWORD_CHARACTERS})
        if not is_plain_text(password):
            return FieldError(loc=loc, type="text_not_plain")
        if name_key(password) in _guesses(names):
            return FieldError(loc=loc, type="password_is_name")
        if is_common(password, self.n_common):
            return FieldError(loc=loc, type="password_too_common")
        return None


BASIC: Final = PasswordRules(min_characters=6, n_common=100)
STRICT: Final = PasswordRules(min_characters=8, n_common=None)


def normalize_password(password: str) -> str:
    """Return the one form of the text that is hashed: keyboards compose the same letter in different ways."""
    return unicodedata.normalize("NFC", password)


def is_common(password: str, n_common: int | None = None) -> bool:
    """Tell whether a password is among the first so many that are tried."""
    rank = _ranks().get(password.casefold())
    return rank is not None and (n_common is None or rank < n_common)


@cache
def _ranks() -> dict[str, int]:
    lines = _LIST.read_text(encoding="utf-8").splitlines()
    return {line: rank for rank, line in enumerate(line for line in lines if not line.startswith("#"))}


def _guesses(names: Iterable[str | None]) -> set[str]:
    known = [name_key(name) for name in names if name]
    return {*known, *(name.partition(EMAIL_SIGN)[0] for name in known)}
