"""The catalogue of texts: Russian by default, English on request."""

from app.core.messages.catalogue import describe_error, explain, known_codes
from app.core.messages.rendering import detail, fault_body, fault_text, with_reason
from app.core.messages.text import ErrorText, Language, Text

__all__ = [
    "ErrorText",
    "Language",
    "Text",
    "describe_error",
    "detail",
    "explain",
    "fault_body",
    "fault_text",
    "known_codes",
    "with_reason",
]
