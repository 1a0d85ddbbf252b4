"""The history of requests: written one by one, read by the page, erased as a whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final, cast

import structlog
from sqlalchemy import String, Table, delete, func, select, text
from sqlalchemy.engine import CursorResult

from app.core.exceptions import StorageUnavailable
from app.database.connection import Database, WriteSession
from app.database.models import RequestHistory
from app.database.repositories.history_stats import HistoryStats, read_stats
from app.database.stopwatch import Stopwatch

log = structlog.get_logger(__name__)

TABLE: Final = cast("Table", RequestHistory.__table__)

_WAITED: Final = "write_ms"
_COLUMNS: Final = tuple(column.name for column in TABLE.columns if not column.primary_key and column.name != _WAITED)
_VALUES_OF: Final = attrgetter(*_COLUMNS)
_TEXT_LENGTHS: Final = {
    column.name: column.type.length
    for column in TABLE.columns
    if isinstance(column.type, String) and column.type.length is not None
}
_TIME_MS: Final = (0, 1e9)
_BOUNDS: Final[Mapping[str, tuple[float, float]]] = {
    "age": (0, 120),
    "sex": (0, 1),
    "height": (30, 272),
    "weight": (1, 700),
    "input_bytes": (0, 2**63 - 1),
    "image_width": (1, 2**31 - 1),
    "image_height": (1, 2**31 - 1),
    "queue_ms": _TIME_MS,
    "decode_ms": _TIME_MS,
    "prepare_ms": _TIME_MS,
    "features_ms": _TIME_MS,
    "model_ms": _TIME_MS,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryEntry:
    """One ECG that somebody asked about: what was said of the patient, what came of it, how long it took.

    Of a refused request, whatever could be read. A number that is no possible value (not finite, an age of 300) was
    not read as one and is kept as unknown; a text too long ends in an ellipsis.
    """

    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    age: float | None = None
    sex: int | None = None
    height: float | None = None
    weight: float | None = None
    processing_time_ms: float
    success: bool
    status_code: int
    input_bytes: int | None = None
    image_width: int | None = None
    image_height: int | None = None
    predicted_class_index: int | None = None
    predicted_class_name: str | None = None
    heart_axis: str | None = None
    request_type: str
    source: str
    predicted_class_description: str | None = None
    error_message: str | None = None
    model_version: str | None = None
    request_id: str | None = None
    queue_ms: float | None = None
    decode_ms: float | None = None
    prepare_ms: float | None = None
    features_ms: float | None = None
    model_ms: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryRecord(HistoryEntry):
    """An entry as it is stored, with how long it waited for its insertion."""

    id: int
    write_ms: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryPage:
    """Some records, newest first, and how many there are in all."""

    total: int
    records: Sequence[HistoryRecord]


class HistoryRepository:
    """The only place that knows how the history is stored."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, entries: Sequence[HistoryEntry]) -> None:
        """
        Store entries, all or none; they are on the disk when this returns.

        Raises
        ------
        StorageUnavailable, Overloaded
            They were not stored.
        """
        await self._database.writes.insert(TABLE, [_row(entry) for entry in entries])

    async def page(self, *, limit: int, offset: int = 0) -> HistoryPage:
        """
        Return at most `limit` records after the `offset` newest.

        Raises
        ------
        StorageUnavailable
            The database cannot be read.
        """
        newest = select(*TABLE.columns).order_by(TABLE.c.id.desc()).limit(limit).offset(offset)
        async with self._database.read() as session:
            total = (await session.execute(select(func.count()).select_from(TABLE))).scalar_one()
            rows = (await session.execute(newest)).mappings().all()
        return HistoryPage(total=total, records=[HistoryRecord(**row) for row in rows])

    async def stats(self, *, since: datetime | None = None, until: datetime | None = None) -> HistoryStats:
        """
        Return the statistics of the requests with `since <= created_at < until`; both are aware, None is open.

        Raises
        ------
        StorageUnavailable
            The database cannot be read.
        """
        async with self._database.read() as session:
            return await read_stats(session, since, until)

    async def clear(self) -> int:
        """
        Erase everything, give its space back and return how many records there were.

        Raises
        ------
        StorageUnavailable
            Nothing was erased.
        """
        async with self._database.write() as session:
            erase = _delete_all if self._database.dialect == "sqlite" else _truncate
            count = await erase(session)
        try:
            await self._database.reclaim()
        except StorageUnavailable:
            # The records are gone for every reader; only the space, and a log that readers hold, come back later.
            log.warning("history_space_not_reclaimed", exc_info=True)
        return count


async def _delete_all(session: WriteSession) -> int:
    result = cast("CursorResult[Any]", await session.execute(delete(TABLE)))
    return result.rowcount


async def _truncate(session: WriteSession) -> int:
    """Count and drop under one lock: a million rows go at once, and none slips in between."""
    await session.execute(text("LOCK TABLE request_history IN ACCESS EXCLUSIVE MODE"))
    count = (await session.execute(select(func.count()).select_from(TABLE))).scalar_one()
    await session.execute(text("TRUNCATE request_history"))
    return count


def _row(entry: HistoryEntry) -> dict[str, Any]:
    row: dict[str, Any] = dict(zip(_COLUMNS, _VALUES_OF(entry), strict=True))
    row[_WAITED] = Stopwatch()
    for name, (least, most) in _BOUNDS.items():
        value = row[name]
        if value is not None and not least <= value <= most:  # NaN as well
            row[name] = None
    for name, length in _TEXT_LENGTHS.items():
        value = row[name]
        if value is not None and not (len(value) <= length and value.isascii() and value.isprintable()):
            row[name] = _storable(value, length)
    return row


def _storable(value: str, length: int) -> str:
    """Replace what no database takes (lone surrogates, NUL) and shorten."""
    value = value.encode("utf-8", "replace").decode("utf-8").replace("\0", "\N{REPLACEMENT CHARACTER}")
    return value if len(value) <= length else f"{value[: length - 1]}…"
