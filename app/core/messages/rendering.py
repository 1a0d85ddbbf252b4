"""Whole sentences about an error."""

from collections.abc import Mapping

from app.core.exceptions import FieldError, ServiceError
from app.core.messages.catalogue import explain
from app.core.messages.text import Language


def fault_text(fault: FieldError, language: Language = "ru") -> str:
    """Say what is wrong with one place."""
    return explain(fault.type, language, fault.params)


def detail(error: ServiceError, language: Language = "ru") -> str:
    """Say what went wrong, as the answer does: for invalid input with the first place and reason."""
    return with_reason(error, language) if error.names_place else explain(error.message, language, error.params)


def with_reason(error: ServiceError, language: Language = "ru") -> str:
    """Say what went wrong, where and why, as the history does."""
    sentence = explain(error.message, language, error.params)
    if not error.errors:
        return sentence
    first = error.errors[0]
    path = _path(first.loc)
    where = f" ({path})" if path else ""
    return f"{sentence}{where}: {fault_text(first, language)}"


def fault_body(fault: FieldError, language: Language = "ru") -> Mapping[str, object]:
    """Return the fault as it stands in an answer."""
    return {"loc": list(fault.loc), "type": fault.type, "msg": fault_text(fault, language)}


def _path(loc: tuple[str | int, ...]) -> str:
    """Write a path as `samples[3].ecg_signal`, without the part of the request it starts in."""
    path = ""
    for part in loc[1:]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path
