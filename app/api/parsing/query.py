"""What stands in the query beside a body that is all signal."""

from collections.abc import Sequence
from typing import Final, TypeVar

from app.api.faults import MAX_FAULTS
from app.api.parsing.fields import check_fields
from app.core.exceptions import FieldError
from app.models.ecg import ECGFields, KnownPatient

_OPTIONS: Final = ("details",)

Fields = TypeVar("Fields", bound=ECGFields)


def find_unread_field(query: Sequence[tuple[str, str]]) -> FieldError | None:
    """Return what is wrong with the query of a body that needs none: a field that nobody reads there."""
    if all(name in _OPTIONS for name, _ in query):
        return None
    return FieldError(loc=("query",), type="unknown_field", params={"known": ", ".join(_OPTIONS)})


def read_query(
    model: type[Fields], query: Sequence[tuple[str, str]]
) -> tuple[Fields | None, KnownPatient, tuple[FieldError, ...]]:
    """Check the fields of the query; `leads` are separated by commas. Returns what `check_fields` does."""
    allowed = tuple(model.model_fields)
    names = [name for name, _ in query if name not in _OPTIONS]
    values: dict[str, object] = {name: value for name, value in query if name in allowed}
    if "leads" in values:
        values["leads"] = str(values["leads"]).split(",")
    fields, known, faults = check_fields(model, values, ("query",), as_text=True)
    if any(name not in allowed for name in names):
        faults = (*faults, FieldError(loc=("query",), type="unknown_field", params={"known": ", ".join(allowed)}))
    repeated = {name: None for name in names if name in allowed and names.count(name) > 1}
    faults += tuple(FieldError(loc=("query", name), type="duplicate_key") for name in repeated)
    return (None, known, faults[:MAX_FAULTS]) if faults else (fields, known, ())
