"""Statistics of the history, computed where the rows are: three indexes answer and the table is never read.

Every number is exact and all come from one snapshot. Percentiles interpolate linearly between the two nearest ranks,
as `numpy.percentile` does by default. Standard deviations are those of the population (divided by n, as `numpy.std`):
the history is everything that was asked, not a sample of it.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVarTuple

from sqlalchemy import ColumnElement, Select, func, literal_column, select

from app.database.models import RequestHistory, UtcDateTime
from app.database.write_queue import ReadSession

Ts = TypeVarTuple("Ts")

_TYPICAL: Final = {"age": 60.0, "height": 170.0, "weight": 75.0}
"""Values are squared by their distance from these, so that the squares stay small and their sum exact enough."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TimingStats:
    """Processing times in milliseconds; None when there are none."""

    mean_ms: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    min_ms: float | None = None
    max_ms: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class InputStats:
    """One input over all requests that gave it, in its own unit; None when none did."""

    mean: float | None = None
    min: float | None = None
    max: float | None = None
    std: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryStats:
    """What the history says as a whole. Distributions leave out what is unknown, and name the most frequent first."""

    total_requests: int = 0
    successful_requests: int = 0
    failed_requests: int = 0
    processing_time: TimingStats = field(default_factory=TimingStats)
    age: InputStats = field(default_factory=InputStats)
    height: InputStats = field(default_factory=InputStats)
    weight: InputStats = field(default_factory=InputStats)
    sex_distribution: Mapping[str, int] = field(default_factory=dict)
    heart_axis_distribution: Mapping[str, int] = field(default_factory=dict)
    class_distribution: Mapping[str, int] = field(default_factory=dict)
    average_input_bytes: float | None = None
    average_image_width: float | None = None
    average_image_height: float | None = None


async def read_stats(session: ReadSession, since: datetime | None, until: datetime | None) -> HistoryStats:
    """
    Compute the statistics of the requests with `since <= created_at < until`.

    Parameters
    ----------
    session
        A reader, so that all queries see one snapshot.
    since, until
        Aware moments; None is open.
    """
    window = _Window(session, since, until)
    groups = await _Groups.read(session, window)
    if groups.total == 0:
        return HistoryStats()
    means = await _read_means(session, window)
    return HistoryStats(
        total_requests=groups.total,
        successful_requests=groups.successful,
        failed_requests=groups.total - groups.successful,
        processing_time=await _read_timing(session, window, groups.total, means["processing_time_ms_mean"]),
        age=_input_stats(means, "age"),
        height=_input_stats(means, "height"),
        weight=_input_stats(means, "weight"),
        sex_distribution=dict(sorted(groups.sexes.items())),
        heart_axis_distribution=_most_frequent_first(groups.axes),
        class_distribution=_most_frequent_first(groups.classes),
        average_input_bytes=means["input_bytes_mean"],
        average_image_width=means["image_width_mean"],
        average_image_height=means["image_height_mean"],
    )


class _Window:
    """The requests that count."""

    def __init__(self, session: ReadSession, since: datetime | None, until: datetime | None) -> None:
        self._since = since
        self._until = until
        self._by_moment: ColumnElement[Any] = RequestHistory.__table__.c.created_at
        self._in_passing = self._by_moment
        if session.get_bind().dialect.name == "sqlite":
            # The plus keeps SQLite from seeking by the moment: it would then sort all rows by what is asked for,
            # where another index has them in order and the moment beside them.
            self._in_passing = literal_column("+request_history.created_at", UtcDateTime())

    def seek(self, query: Select[*Ts]) -> Select[*Ts]:
        """Restrict a query that may take the rows in any order."""
        return self._restrict(query, self._by_moment)

    def filter(self, query: Select[*Ts]) -> Select[*Ts]:
        """Restrict a query that takes the rows in the order of an index which holds the moment."""
        return self._restrict(query, self._in_passing)

    def _restrict(self, query: Select[*Ts], moment: ColumnElement[Any]) -> Select[*Ts]:
        if self._since is not None:
            query = query.where(moment >= self._since)
        if self._until is not None:
            query = query.where(moment < self._until)
        return query


@dataclass(frozen=True, kw_only=True, slots=True)
class _Groups:
    """Counts folded from the few hundred groups that occur together."""

    total: int
    successful: int
    sexes: Counter[str]
    axes: Counter[str]
    classes: Counter[str]

    @classmethod
    async def read(cls, session: ReadSession, window: _Window) -> "_Groups":
        keys = (
            RequestHistory.predicted_class_name,
            RequestHistory.sex,
            RequestHistory.heart_axis,
            RequestHistory.success,
        )
        rows = await session.execute(window.filter(select(*keys, func.count()).group_by(*keys)))
        total = successful = 0
        sexes, axes, classes = Counter[str](), Counter[str](), Counter[str]()
        for name, sex, axis, success, count in rows:
            total += count
            successful += count if success else 0
            for value, counter in ((name, classes), (sex, sexes), (axis, axes)):
                if value is not None:
                    counter[str(value)] += count
        return cls(total=total, successful=successful, sexes=sexes, axes=axes, classes=classes)


async def _read_means(session: ReadSession, window: _Window) -> dict[str, float | None]:
    """Return in one pass the means of all numbers, and for the patient's inputs what their spread takes."""
    columns = [
        func.avg(getattr(RequestHistory, name)).label(f"{name}_mean")
        for name in ("processing_time_ms", "input_bytes", "image_width", "image_height")
    ]
    for name, typical in _TYPICAL.items():
        column = getattr(RequestHistory, name)
        columns += [
            func.avg(column).label(f"{name}_mean"),
            func.min(column).label(f"{name}_min"),
            func.max(column).label(f"{name}_max"),
            func.avg((column - typical) * (column - typical)).label(f"{name}_mean_square"),
        ]
    row = (await session.execute(window.seek(select(*columns)))).mappings().one()
    return {name: None if value is None else float(value) for name, value in row.items()}


def _input_stats(means: Mapping[str, float | None], name: str) -> InputStats:
    mean, square = means[f"{name}_mean"], means[f"{name}_mean_square"]
    least, most = means[f"{name}_min"], means[f"{name}_max"]
    if mean is None or square is None:
        return InputStats()
    variance = 0.0 if least == most else max(0.0, square - (mean - _TYPICAL[name]) ** 2)
    return InputStats(mean=mean, min=least, max=most, std=math.sqrt(variance))


async def _read_timing(session: ReadSession, window: _Window, count: int, mean_ms: float | None) -> TimingStats:
    async def percentile(fraction: float) -> float:
        rank = (count - 1) * fraction
        low, high = await _read_ranks(session, window, count, math.floor(rank))
        return _interpolate(low, high, rank - math.floor(rank))

    return TimingStats(
        mean_ms=mean_ms,
        p50_ms=await percentile(0.50),
        p95_ms=await percentile(0.95),
        p99_ms=await percentile(0.99),
        min_ms=await percentile(0),
        max_ms=await percentile(1),
    )


async def _read_ranks(session: ReadSession, window: _Window, count: int, rank: int) -> tuple[float, float]:
    """Return the processing times at `rank` and the one after it (itself at the end), from the nearer end."""
    time_ms = RequestHistory.processing_time_ms
    values: Sequence[float]
    if rank < count // 2:
        query = select(time_ms).order_by(time_ms).offset(rank).limit(2)
        values = (await session.scalars(window.filter(query))).all()
        return values[0], values[-1]
    after = count - 1 - rank
    query = select(time_ms).order_by(time_ms.desc()).offset(max(0, after - 1)).limit(2 if after else 1)
    values = (await session.scalars(window.filter(query))).all()
    return values[-1], values[0]


def _interpolate(low: float, high: float, weight: float) -> float:
    """Go `weight` of the way from low to high, measured from the nearer of them."""
    step = high - low
    return low + step * weight if weight < 0.5 else high - step * (1 - weight)  # noqa: PLR2004 - half way


def _most_frequent_first(counter: Counter[str]) -> dict[str, int]:
    return dict(sorted(counter.items(), key=lambda item: (-item[1], item[0])))
