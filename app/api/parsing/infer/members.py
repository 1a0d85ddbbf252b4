"""Looking into the JSON of a request to infer."""

from collections.abc import Mapping
from itertools import islice
from typing import Final

import simdjson

from app.api.parsing.infer.tensors import Loc, Malformed
from app.models.oip import Scalar

MAX_ITEMS: Final = 16
_MAX_KEYS: Final = 64


def read_members(value: object, known: tuple[str, ...], loc: Loc) -> dict[str, object]:
    """Return the members of an object that may have these and no others."""
    if not isinstance(value, simdjson.Object):
        raise Malformed(loc, "not_an_object")
    members: dict[str, object] = {}
    for key in islice(value.keys(), _MAX_KEYS):
        if key not in known:
            raise Malformed(loc, "unknown_field", known=", ".join(known))
        if key in members:
            raise Malformed((*loc, key), "duplicate_key")
        members[key] = value[key]
    return members


def read_items(value: object, loc: Loc) -> "simdjson.Array":
    """Return an array of a few objects."""
    if value is None:
        raise Malformed(loc, "missing")
    if not isinstance(value, simdjson.Array):
        raise Malformed(loc, "array_expected")
    if len(value) > MAX_ITEMS:
        raise Malformed(loc, "value_too_long")
    return value


def read_parameters(members: Mapping[str, object], loc: Loc) -> dict[str, Scalar]:
    """Return the parameters; those that nobody here knows are allowed by the protocol and do nothing."""
    value = members.get("parameters")
    if value is None:
        return {}
    if not isinstance(value, simdjson.Object):
        raise Malformed((*loc, "parameters"), "not_an_object")
    parameters: dict[str, Scalar] = {}
    for key in islice(value.keys(), _MAX_KEYS):
        # The parser looks a name up as far as a NUL, so one with a NUL would get another's value, or none.
        parameter = None if "\0" in key else value[key]
        if not isinstance(parameter, str | int | float):
            raise Malformed((*loc, "parameters"), "infer_parameter")
        parameters[key] = parameter
    return parameters
