"""The catalogue of texts: Russian by default, English on request."""

from app.core.messages.catalogue import describe_error, explain, known_codes
from app.core.messages.text import ErrorText, Language, Text

__all__ = ["ErrorText", "Language", "Text", "describe_error", "explain", "known_codes"]
