"""The history on both databases: what goes in comes out, by the page, and goes for good."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.core.exceptions import StorageUnavailable
from app.database.connection import Database
from app.database.repositories.history import HistoryEntry, HistoryRecord, HistoryRepository

NOON = datetime(2025, 12, 14, 12, 0, 0, 123456, tzinfo=UTC)

FULL_ENTRY = HistoryEntry(
    created_at=NOON,
    age=55.5,
    sex=1,
    height=175.0,
    weight=80.25,
    processing_time_ms=12.5,
    success=True,
    status_code=200,
    input_bytes=480_128,
    image_width=1_200,
    image_height=800,
    predicted_class_index=13,
    predicted_class_name="HCS",
    heart_axis="NO_DATA",
    request_type="single",
    source="json",
    predicted_class_description="Hypertrophy + Conduction disturbance + STTC",
    error_message="Модель не смогла обработать данные",
    model_version="2026.1",
    request_id="01J8ZQ4Y",
    queue_ms=0.5,
    decode_ms=1.5,
    prepare_ms=2.5,
    features_ms=3.5,
    model_ms=0.25,
)


def make_entry(**known: object) -> HistoryEntry:
    entry = HistoryEntry(
        created_at=NOON, processing_time_ms=1.0, success=True, status_code=200, request_type="single", source="json"
    )
    return replace(entry, **known)  # type: ignore[arg-type]


@pytest.fixture
def history(database: Database) -> HistoryRepository:
    return HistoryRepository(database)


async def only_record(history: HistoryRepository) -> HistoryRecord:
    (record,) = (await history.page(limit=10)).records
    return record


def contents(folder: Path) -> str:
    """Every byte of the database: the file, its log and its index."""
    return "".join(file.read_bytes().decode("latin-1") for file in folder.iterdir())


class TestAdd:
    async def test_returns_every_field_as_it_was_stored(self, history: HistoryRepository) -> None:
        await history.add([FULL_ENTRY])
        record = await only_record(history)
        stored = replace(record, write_ms=None)
        assert stored == HistoryRecord(id=1, **{name: getattr(FULL_ENTRY, name) for name in FULL_ENTRY.__slots__})

    async def test_writes_down_how_long_a_row_waited(self, history: HistoryRepository) -> None:
        await history.add([FULL_ENTRY])
        waited_ms = (await only_record(history)).write_ms
        assert waited_ms is not None
        assert 0 < waited_ms < 60_000

    async def test_keeps_what_is_unknown_unknown(self, history: HistoryRepository) -> None:
        await history.add([make_entry()])
        record = await only_record(history)
        assert (record.age, record.sex, record.heart_axis, record.predicted_class_index) == (None, None, None, None)

    async def test_stores_a_moment_of_another_zone_in_utc(self, history: HistoryRepository) -> None:
        await history.add([make_entry(created_at=NOON.astimezone(timezone(timedelta(hours=3))))])
        record = await only_record(history)
        assert record.created_at.isoformat() == "2025-12-14T12:00:00.123456+00:00"

    async def test_stores_nothing_of_nothing(self, history: HistoryRepository) -> None:
        await history.add([])
        assert (await history.page(limit=10)).total == 0

    @pytest.mark.parametrize("age", [math.nan, math.inf, -math.inf, 300.0, -1.0])
    async def test_takes_an_impossible_number_for_unknown(self, history: HistoryRepository, age: float) -> None:
        await history.add([make_entry(age=age)])
        assert (await only_record(history)).age is None

    async def test_takes_a_number_past_64_bits_for_unknown(self, history: HistoryRepository) -> None:
        await history.add([make_entry(sex=2**70, input_bytes=2**70)])
        record = await only_record(history)
        assert (record.sex, record.input_bytes) == (None, None)

    async def test_ends_a_text_too_long_in_an_ellipsis(self, history: HistoryRepository) -> None:
        await history.add([make_entry(heart_axis="A" * 40)])
        assert (await only_record(history)).heart_axis == "A" * 15 + "…"

    async def test_replaces_what_no_database_can_store(self, history: HistoryRepository) -> None:
        await history.add([make_entry(request_id="a\0b\ud800c")])
        assert (await only_record(history)).request_id == "a\N{REPLACEMENT CHARACTER}b?c"

    async def test_refuses_a_time_that_is_no_number(self, history: HistoryRepository) -> None:
        with pytest.raises(IntegrityError):
            await history.add([make_entry(processing_time_ms=math.nan)])

    async def test_stores_all_entries_of_a_call_or_none(self, history: HistoryRepository) -> None:
        with pytest.raises(IntegrityError):
            await history.add([make_entry(), make_entry(processing_time_ms=-1.0)])
        assert (await history.page(limit=10)).total == 0

    async def test_names_neither_patient_nor_values_in_its_errors(self, history: HistoryRepository) -> None:
        with pytest.raises(IntegrityError) as refused:
            await history.add([make_entry(processing_time_ms=-1.0, request_id="canary")])
        assert "canary" not in str(refused.value)

    async def test_fails_as_unavailable_once_the_database_is_closed(
        self, history: HistoryRepository, database: Database
    ) -> None:
        await database.close()
        with pytest.raises(StorageUnavailable):
            await history.add([make_entry()])


class TestPage:
    async def test_shows_the_newest_first(self, history: HistoryRepository) -> None:
        for name in ("first", "second", "third"):
            await history.add([make_entry(request_id=name)])
        page = await history.page(limit=2)
        assert page.total == 3
        assert [record.request_id for record in page.records] == ["third", "second"]

    async def test_skips_as_many_as_the_offset_says(self, history: HistoryRepository) -> None:
        await history.add([make_entry(request_id=f"{number}") for number in range(10)])
        page = await history.page(limit=3, offset=4)
        assert page.total == 10
        assert [record.request_id for record in page.records] == ["5", "4", "3"]

    async def test_is_empty_past_the_end(self, history: HistoryRepository) -> None:
        await history.add([make_entry()])
        page = await history.page(limit=3, offset=2**40)
        assert (page.total, list(page.records)) == (1, [])

    async def test_is_empty_without_history(self, history: HistoryRepository) -> None:
        page = await history.page(limit=100)
        assert (page.total, list(page.records)) == (0, [])


class TestClear:
    async def test_counts_what_it_erased(self, history: HistoryRepository) -> None:
        await history.add([make_entry() for _ in range(150)])
        assert await history.clear() == 150
        assert (await history.page(limit=10)).total == 0

    async def test_erases_nothing_of_nothing(self, history: HistoryRepository) -> None:
        assert await history.clear() == 0

    async def test_never_gives_an_erased_key_out_again(self, history: HistoryRepository) -> None:
        await history.add([make_entry(), make_entry()])
        await history.clear()
        await history.add([make_entry()])
        assert (await only_record(history)).id == 3

    async def test_leaves_no_trace_in_the_files(self, sqlite_database: Database, tmp_path: Path) -> None:
        history = HistoryRepository(sqlite_database)
        await history.add([make_entry(request_id="canary-4711") for _ in range(100)])
        assert "canary-4711" in contents(tmp_path)
        await history.clear()
        assert "canary-4711" not in contents(tmp_path)

    async def test_gives_the_space_back(self, sqlite_database: Database, tmp_path: Path) -> None:
        history = HistoryRepository(sqlite_database)
        await history.add([make_entry(request_id="x" * 100) for _ in range(20_000)])
        await history.clear()
        assert len(contents(tmp_path)) < 200_000

    async def test_succeeds_while_a_reader_holds_its_snapshot(self, sqlite_database: Database) -> None:
        history = HistoryRepository(sqlite_database)
        await history.add([make_entry()])
        async with sqlite_database.read() as session:
            count = text("SELECT count(*) FROM request_history")
            assert await session.scalar(count) == 1
            assert await history.clear() == 1
            assert await session.scalar(count) == 1
        assert (await history.page(limit=1)).total == 0
