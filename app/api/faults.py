"""What Pydantic finds wrong, in the words of this service and without the caller's values."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from app.core.exceptions import FieldError

MAX_FAULTS: Final = 10

_TYPES: Final[Mapping[str, str]] = {
    "missing": "missing",
    "float_type": "number_expected",
    "float_parsing": "number_expected",
    "finite_number": "number_expected",
    "int_type": "integer_expected",
    "int_parsing": "integer_expected",
    "int_parsing_size": "integer_expected",
    "int_from_float": "integer_expected",
    "string_type": "text_expected",
    "string_unicode": "text_not_plain",
    "bool_type": "boolean_expected",
    "json_invalid": "json_invalid",
    "extra_forbidden": "field_not_taken",
    "list_type": "array_expected",
    "model_attributes_type": "not_an_object",
    "model_type": "not_an_object",
    "greater_than": "too_small",
    "greater_than_equal": "too_small",
    "less_than": "too_large",
    "less_than_equal": "too_large",
    "literal_error": "not_one_of",
    "enum": "not_one_of",
    "too_short": "value_too_short",
    "string_too_short": "value_too_short",
    "too_long": "value_too_long",
    "string_too_long": "value_too_long",
    "datetime_type": "date_time_expected",
    "datetime_parsing": "date_time_expected",
    "datetime_from_date_parsing": "date_time_expected",
    "timezone_aware": "date_time_expected",
}
_LIMITS: Final = ("ge", "gt", "le", "lt")


def faults_from_pydantic(
    errors: Iterable[Mapping[str, Any]], prefix: Sequence[str | int] = ()
) -> tuple[FieldError, ...]:
    """Translate the first ten of Pydantic's errors.

    Parameters
    ----------
    errors
        What `ValidationError.errors()` returns.
    prefix
        Path of the validated part within the request.
    """
    found = []
    for error in errors:
        kind = _TYPES.get(error["type"], "invalid")
        found.append(FieldError(loc=(*prefix, *_safe(error)), type=kind, params=_params(kind, error)))
        if len(found) == MAX_FAULTS:
            break
    return tuple(found)


def _safe(error: Mapping[str, Any]) -> tuple[str | int, ...]:
    """Return the path, without a name that the caller made up."""
    path = tuple(error["loc"])
    return path[:-1] if error["type"] == "extra_forbidden" else path


def _params(kind: str, error: Mapping[str, Any]) -> Mapping[str, object]:
    context = error.get("ctx") or {}
    if kind == "not_one_of":
        return {"expected": str(context["expected"]).replace("'", "").replace(" or ", ", ")}
    if kind in {"too_small", "too_large"}:
        return {"limit": f"{next(context[name] for name in _LIMITS if name in context):g}"}
    return {}
