"""Texts of what the signal code finds, by its own codes."""

from typing import Final

from app.core.messages.text import Text

ECG: Final[dict[str, Text]] = {}
