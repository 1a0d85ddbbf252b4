"""Names of accounts: how they may be written, and when two of them are the same."""

import re
import unicodedata
from typing import Final

MAX_USERNAME_CHARACTERS: Final = 64
MAX_EMAIL_CHARACTERS: Final = 254
EMAIL_SIGN: Final = "@"
_LATIN: Final = "A-Za-z"
_CYRILLIC: Final = "А-Яа-яЁё"
# One script a name: a name in two of them may look like another one.
_USERNAME: Final = re.compile(rf"[{_LATIN}0-9][{_LATIN}0-9._+-]*|[{_CYRILLIC}0-9][{_CYRILLIC}0-9._+-]*")
_LOCAL_PART: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL: Final = re.compile(rf"(?=[^@]{{1,64}}@){_LOCAL_PART}@{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_UNSEEN: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNING: Final = frozenset(map(chr, [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]))
"""What turns the direction of writing, and lets a text look like another one."""


def name_key(name: str) -> str:
    """Return what two spellings of one name have in common.

    Examples
    --------
    >>> name_key("Alice") == name_key("ALICE")
    True
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def is_username(name: str) -> bool:
    """Tell whether an account may be called so: letters of one script, digits and `._+-`, or an e-mail address.

    Examples
    --------
    >>> is_username("dr.ivanova"), is_username("иванова"), is_username("a b"), is_username("a@example.com")
    (True, True, False, True)
    """
    if len(name) > MAX_USERNAME_CHARACTERS:
        return False
    return bool(_USERNAME.fullmatch(name)) or is_email(name)


def is_email(address: str) -> bool:
    """Tell whether this is written as an e-mail address; whether it exists, only a letter would show."""
    return len(address) <= MAX_EMAIL_CHARACTERS and bool(_EMAIL.fullmatch(address))


def is_plain_text(text: str) -> bool:
    """Tell whether a text is free of controls, ends of lines, halves of characters, and what turns its direction.

    Examples
    --------
    >>> is_plain_text("Анна Ли"), is_plain_text(chr(0))
    (True, False)
    """
    return not any(unicodedata.category(character) in _UNSEEN or character in _TURNING for character in text)
