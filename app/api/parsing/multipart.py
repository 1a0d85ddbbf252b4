"""Cutting a form into its parts, where they lie: nothing is copied, spooled or believed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.core.exceptions import FieldError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_PARTS: Final = 8
_MAX_HEADERS: Final = 8
_MAX_HEADER_BYTES: Final = 1024
_CHARSETS: Final = frozenset({b"utf-8", b"utf8", b"us-ascii"})
_INVALID: Final = FieldError(loc=("body",), type="form_invalid")


@dataclass(frozen=True, slots=True)
class FormPart:
    """One field of a form and where its value lies in the body."""

    name: str
    start: int
    end: int


class _Refused(Exception):
    """What is wrong, by its code."""


@dataclass(slots=True)
class _Draft:
    """A part as far as it was seen."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    start: int = 0
    end: int = 0


class _Cutter:
    """Hears from the parser what it finds; the body is given to it in one piece, so positions are those of the body."""

    def __init__(self) -> None:
        self.parts: list[FormPart] = []
        self.is_complete = False
        self._draft = _Draft()
        self._header = self._value = b""

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._take_header,
            "on_header_value": self._take_value,
            "on_header_end": self._end_header,
            "on_part_data": self._take_data,
            "on_part_end": self._end,
            "on_end": self._complete,
        }

    def _begin(self) -> None:
        if len(self.parts) == MAX_PARTS:
            raise _Refused("form_parts_count")
        self._draft = _Draft()

    def _take_header(self, data: bytes, start: int, end: int) -> None:
        self._header, self._value = bytes(data[start:end]).lower(), b""

    def _take_value(self, data: bytes, start: int, end: int) -> None:
        self._value = bytes(data[start:end])

    def _end_header(self) -> None:
        if self._header in self._draft.headers:
            raise _Refused("form_invalid")
        self._draft.headers[self._header] = self._value

    def _take_data(self, _data: bytes, start: int, end: int) -> None:
        self._draft.start = self._draft.start or start
        self._draft.end = end

    def _end(self) -> None:
        _check_charset(self._draft.headers)
        self.parts.append(FormPart(_name(self._draft.headers), self._draft.start, self._draft.end))

    def _complete(self) -> None:
        self.is_complete = True


def cut_parts(body: bytes | bytearray, content_type: str) -> list[FormPart] | FieldError:
    """Find the parts of a form, or say why it is none.

    Parameters
    ----------
    body
        The form.
    content_type
        The request's, with the boundary.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary:
        return FieldError(loc=("body",), type="form_boundary")
    cutter = _Cutter()
    try:
        parser = MultipartParser(
            boundary, cutter.callbacks(), max_header_count=_MAX_HEADERS, max_header_size=_MAX_HEADER_BYTES
        )
        parser.write(cast("bytes", body))  # it only searches and slices, which bytearrays can as well
    except FormParserError:
        return _INVALID
    except _Refused as refusal:
        return FieldError(loc=("body",), type=str(refusal), params={"max_parts": MAX_PARTS})
    return cutter.parts if cutter.is_complete else _INVALID


def _name(headers: Mapping[bytes, bytes]) -> str:
    disposition, options = parse_options_header(headers.get(b"content-disposition"))
    if disposition != b"form-data" or b"name" not in options:
        raise _Refused("form_invalid")
    return options[b"name"].decode("utf-8", "replace")


def _check_charset(headers: Mapping[bytes, bytes]) -> None:
    _, options = parse_options_header(headers.get(b"content-type"))
    if options.get(b"charset", b"utf-8").lower() not in _CHARSETS:
        raise _Refused("form_charset")
