"""Bodies of JSON that the framework reads: what it lets pass, and this service does not."""

import json
from typing import Final

from starlette.requests import Request

from app.core.exceptions import FieldError, InvalidInput, UnsupportedContentType

MEDIA_TYPE: Final = "application/json"


async def require_json(request: Request) -> None:
    """Refuse another type, and a field that is given twice: nobody knows which one was meant.

    Raises
    ------
    UnsupportedContentType, InvalidInput
        It is so.
    """
    body = await request.body()
    if not body:
        return
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise UnsupportedContentType(headers={"Accept": MEDIA_TYPE})
    try:
        json.loads(body, object_pairs_hook=_without_twins, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidInput(errors=[FieldError(loc=("body",), type="json_invalid")]) from None


def _without_twins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise InvalidInput(errors=[FieldError(loc=("body",), type="duplicate_key")])
    return fields


def _refuse_constant(_name: str) -> object:
    raise InvalidInput(errors=[FieldError(loc=("body",), type="json_nan")])
