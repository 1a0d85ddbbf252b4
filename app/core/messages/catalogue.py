"""Looking texts up."""

from collections.abc import Mapping

from app.core.messages.ecg import ECG
from app.core.messages.errors import ERRORS
from app.core.messages.fields import FIELDS
from app.core.messages.text import ErrorText, Language, Text

_OTHER: Mapping[str, Text] = {
    "history_deleted": Text("История успешно удалена", "The history was deleted"),
    "appointment_summary": Text("Приём у врача", "Doctor's appointment"),
    "private_access": Text("Доступ разрешён", "Access granted"),
}

_SENTENCES: Mapping[str, Text] = {**{code: text.detail for code, text in ERRORS.items()}, **FIELDS, **ECG, **_OTHER}


def explain(code: str, language: Language = "ru", params: Mapping[str, object] | None = None) -> str:
    """Write the sentence for a code; an unknown code is a bug and raises `KeyError`."""
    return _SENTENCES[code].render(language, params)


def describe_error(code: str) -> ErrorText | None:
    """Title, detail and advice of an error, or None where the service has no such error."""
    return ERRORS.get(code)


def known_codes() -> frozenset[str]:
    """Every code that `explain` can write."""
    return frozenset(_SENTENCES)
