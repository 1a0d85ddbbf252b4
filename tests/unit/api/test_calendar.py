"""Calendars are written as RFC 5545 asks."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.presenting_calendar import MAX_LINE_BYTES, fold, write_calendar
from app.core.version import VERSION
from tests.fixtures.appointments import NOW, make_record

NOTES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], include_characters="\n\\;,"), max_size=300)


def read(calendar: bytes) -> list[tuple[str, str]]:
    """Return names and values, unfolded and unescaped."""
    assert calendar.endswith(b"\r\n")
    unfolded = calendar.replace(b"\r\n ", b"").decode()
    pairs = [line.partition(":") for line in unfolded.removesuffix("\r\n").split("\r\n")]
    return [(name, unescape(value)) for name, _, value in pairs]


def unescape(value: str) -> str:
    plain, characters = "", iter(value)
    for character in characters:
        plain += character if character != "\\" else {"n": "\n"}.get(escaped := next(characters), escaped)
    return plain


def test_holds_every_field() -> None:
    record = make_record(id=7, version=3, note="натощак\nс выпиской")
    assert read(write_calendar([record], "ru")) == [
        ("BEGIN", "VCALENDAR"),
        ("VERSION", "2.0"),
        ("PRODID", f"-//ECG service//{VERSION}//EN"),
        ("METHOD", "PUBLISH"),
        ("BEGIN", "VEVENT"),
        ("UID", "appointment-7-20260601090000000000@ecg-service"),
        ("DTSTAMP", "20260601T090000Z"),
        ("CREATED", "20260601T090000Z"),
        ("LAST-MODIFIED", "20260601T090000Z"),
        ("DTSTART", "20260602T090000Z"),
        ("DTEND", "20260602T093000Z"),
        ("SEQUENCE", "2"),
        ("STATUS", "TENTATIVE"),
        ("SUMMARY", "Приём у врача"),
        ("DESCRIPTION", "натощак\nс выпиской"),
        ("END", "VEVENT"),
        ("END", "VCALENDAR"),
    ]


@pytest.mark.parametrize(
    ("status", "written"),
    [
        ("booked", "TENTATIVE"),
        ("confirmed", "CONFIRMED"),
        ("completed", "CONFIRMED"),
        ("no_show", "CONFIRMED"),
        ("cancelled", "CANCELLED"),
    ],
)
def test_says_how_far_it_has_come(status: str, written: str) -> None:
    assert ("STATUS", written) in read(write_calendar([make_record(status=status)], "en"))


def test_holds_any_number_of_them() -> None:
    assert [name for name, _ in read(write_calendar([], "en"))] == ["BEGIN", "VERSION", "PRODID", "METHOD", "END"]
    records = [make_record(id=number, starts_at=NOW + timedelta(hours=number)) for number in range(1, 4)]
    assert read(write_calendar(records, "en")).count(("BEGIN", "VEVENT")) == 3


@given(NOTES)
def test_gives_every_note_back_and_no_line_of_its_own(note: str) -> None:
    calendar = write_calendar([make_record(note=note)], "en")
    fields = read(calendar)
    assert ("DESCRIPTION", note) in fields
    assert len(fields) == 17
    assert all(len(line) <= MAX_LINE_BYTES for line in calendar.split(b"\r\n"))


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=300))
def test_continues_lines_between_letters(line: str) -> None:
    parts = fold(line).removesuffix(b"\r\n").split(b"\r\n")
    assert all(len(part) <= MAX_LINE_BYTES for part in parts)
    assert "".join(part.decode()[min(index, 1) :] for index, part in enumerate(parts)) == line
