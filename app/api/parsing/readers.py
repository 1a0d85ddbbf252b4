"""Which reader takes a body."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Generic, TypeVar

from app.api.parsing.inflate import GZIP, IDENTITY, TAKEN_ENCODINGS, inflate
from app.api.parsing.upload import Upload, content_encoding
from app.core.constants import Source
from app.core.exceptions import FieldError, UnsupportedContentType
from app.core.steps import Steps

Result = TypeVar("Result")

UNDECLARED: Final = ""
"""The type of a body that came without one."""


@dataclass(frozen=True, slots=True)
class Readers(Generic[Result]):
    """What reads a body, by its content type."""

    by_type: Mapping[str, tuple[Source, Callable[[Upload], Result]]]
    #: how this kind of result says what is wrong
    refuse: Callable[[FieldError], Result]


def choose_reader(
    headers: Mapping[str, str], readers: Readers[Result]
) -> tuple[Source, Callable[[Upload], Steps[Result]]]:
    """Return the form of the body and what reads it, in a step, after those of inflating it where it is compressed.

    Raises
    ------
    UnsupportedContentType
        No reader takes that type or encoding; the answer names what is taken.
    """
    encoding = content_encoding(headers)
    if encoding != IDENTITY and encoding not in GZIP:
        raise UnsupportedContentType("content_encoding", headers={"Accept-Encoding": TAKEN_ENCODINGS})
    media_type = headers.get("content-type", UNDECLARED).partition(";")[0].strip().lower()
    if media_type not in readers.by_type:
        raise UnsupportedContentType(headers={"Accept": ", ".join(filter(None, readers.by_type))})
    source, read = readers.by_type[media_type]
    return source, partial(_read_plain if encoding == IDENTITY else _read_compressed, read, readers.refuse)


def _read_plain(
    read: Callable[[Upload], Result], _refuse: Callable[[FieldError], Result], upload: Upload
) -> Steps[Result]:
    yield from ()
    return read(upload)


def _read_compressed(
    read: Callable[[Upload], Result], refuse: Callable[[FieldError], Result], upload: Upload
) -> Steps[Result]:
    body = yield from inflate(upload.body, upload.max_bytes)
    if isinstance(body, FieldError):
        return refuse(body)
    return read(replace(upload, body=body, received_bytes=upload.size_bytes))
