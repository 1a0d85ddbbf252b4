"""Secrets that mean nothing but themselves: refresh tokens and API keys. Only their digests are kept.

A digest needs no salt and no slow function: 256 random bits are not guessed.
"""

import hashlib
import secrets
from typing import Final

REFRESH_PREFIX: Final = "ecr_"
API_KEY_PREFIX: Final = "ecg_"
SHOWN_CHARACTERS: Final = 12
"""So much of a key may be shown, for its owner to tell it from others."""
_RANDOM_BYTES: Final = 32


def new_secret(prefix: str) -> str:
    """Return a secret of 256 random bits, behind a prefix that tells what it is wherever it turns up."""
    return prefix + secrets.token_urlsafe(_RANDOM_BYTES)


def digest(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
