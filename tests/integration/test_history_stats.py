"""Statistics in SQL are what numpy says of the same numbers, on both databases."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.database.connection import Database
from app.database.repositories.history import HistoryEntry, HistoryRepository
from app.database.repositories.history_stats import HistoryStats, InputStats, TimingStats
from tests.integration.test_history import NOON, make_entry

TIMES_MS = st.floats(min_value=0, max_value=1e6, allow_subnormal=False)
AGES = st.floats(min_value=0, max_value=120, allow_subnormal=False)


@pytest.fixture
def history(database: Database) -> HistoryRepository:
    return HistoryRepository(database)


async def stats_of(history: HistoryRepository, entries: Sequence[HistoryEntry]) -> HistoryStats:
    await history.clear()
    await history.add(entries)
    return await history.stats()


async def timing_of(history: HistoryRepository, times_ms: Sequence[float]) -> TimingStats:
    return (await stats_of(history, [make_entry(processing_time_ms=time_ms) for time_ms in times_ms])).processing_time


class TestEmptyHistory:
    async def test_gives_zeros_and_nothing_else(self, history: HistoryRepository) -> None:
        stats = await history.stats()
        assert (stats.total_requests, stats.successful_requests, stats.failed_requests) == (0, 0, 0)
        assert stats.processing_time == TimingStats()
        assert stats.age == stats.height == stats.weight == InputStats(mean=None, min=None, max=None, std=None)
        assert stats.class_distribution == stats.sex_distribution == stats.heart_axis_distribution == {}
        assert stats.average_input_bytes is None

    async def test_is_what_a_window_without_requests_gives(self, history: HistoryRepository) -> None:
        await history.add([make_entry(age=50.0)])
        assert await history.stats(until=NOON) == HistoryStats()


class TestCounts:
    async def test_counts_successes_and_failures(self, history: HistoryRepository) -> None:
        stats = await stats_of(history, [make_entry()] * 7 + [make_entry(success=False, status_code=400)] * 3)
        assert (stats.total_requests, stats.successful_requests, stats.failed_requests) == (10, 7, 3)

    async def test_counts_by_sex_axis_and_class_and_leaves_out_the_unknown(self, history: HistoryRepository) -> None:
        stats = await stats_of(
            history,
            [
                make_entry(sex=0, heart_axis="MID", predicted_class_name="N"),
                make_entry(sex=1, heart_axis="MID", predicted_class_name="MHCS"),
                make_entry(sex=1, heart_axis="LAD", predicted_class_name="N"),
                make_entry(sex=1, success=False),
                make_entry(success=False),
            ],
        )
        assert stats.sex_distribution == {"0": 1, "1": 3}
        assert stats.heart_axis_distribution == {"MID": 2, "LAD": 1}
        assert stats.class_distribution == {"N": 2, "MHCS": 1}

    async def test_names_the_most_frequent_class_first(self, history: HistoryRepository) -> None:
        names = ["H", "C", "C", "S", "S", "N", "N", "N"]
        stats = await stats_of(history, [make_entry(predicted_class_name=name) for name in names])
        assert list(stats.class_distribution.items()) == [("N", 3), ("C", 2), ("S", 2), ("H", 1)]


class TestInputs:
    async def test_gives_mean_bounds_and_spread_of_the_population(self, history: HistoryRepository) -> None:
        stats = await stats_of(history, [make_entry(age=age) for age in (20.0, 40.0, 60.0, 80.0)])
        assert stats.age.std == pytest.approx(22.360679774997898, rel=1e-12)
        assert (stats.age.mean, stats.age.min, stats.age.max) == (50.0, 20.0, 80.0)
        assert stats.height == InputStats()

    async def test_gives_no_spread_to_equal_values(self, history: HistoryRepository) -> None:
        stats = await stats_of(history, [make_entry(weight=70.3)] * 9)
        assert (stats.weight.min, stats.weight.max, stats.weight.std) == (70.3, 70.3, 0.0)
        assert stats.weight.mean == pytest.approx(70.3, rel=1e-12)

    async def test_averages_sizes_over_the_requests_that_have_them(self, history: HistoryRepository) -> None:
        stats = await stats_of(
            history,
            [
                make_entry(input_bytes=100),
                make_entry(input_bytes=201, image_width=640, image_height=480),
                make_entry(image_width=1_280, image_height=960),
            ],
        )
        sizes = (stats.average_input_bytes, stats.average_image_width, stats.average_image_height)
        assert sizes == (150.5, 960.0, 720.0)

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(ages=st.lists(AGES, min_size=1, max_size=60))
    async def test_equal_those_of_numpy(self, history: HistoryRepository, ages: list[float]) -> None:
        stats = await stats_of(history, [make_entry(age=age) for age in ages])
        assert stats.age.mean == pytest.approx(np.mean(ages), rel=1e-12, abs=1e-12)
        assert stats.age.std == pytest.approx(np.std(ages), rel=1e-9, abs=1e-5)
        assert (stats.age.min, stats.age.max) == (min(ages), max(ages))


class TestProcessingTime:
    async def test_gives_the_one_value_there_is_for_everything(self, history: HistoryRepository) -> None:
        stats = await stats_of(history, [make_entry(processing_time_ms=4.5)])
        assert set(asdict(stats.processing_time).values()) == {4.5}

    async def test_interpolates_between_neighbours(self, history: HistoryRepository) -> None:
        timing = await timing_of(history, [40.0, 10.0, 30.0, 20.0])
        assert timing.p99_ms == pytest.approx(39.7, rel=1e-12)
        assert (timing.p50_ms, timing.p95_ms) == (25.0, 38.5)
        assert (timing.mean_ms, timing.min_ms, timing.max_ms) == (25.0, 10.0, 40.0)

    async def test_includes_what_failed(self, history: HistoryRepository) -> None:
        entries = [make_entry(processing_time_ms=1.0), make_entry(processing_time_ms=3.0, success=False)]
        assert (await stats_of(history, entries)).processing_time.mean_ms == 2.0

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(times_ms=st.lists(TIMES_MS, min_size=1, max_size=120))
    async def test_has_the_percentiles_of_numpy_to_the_bit(
        self, history: HistoryRepository, times_ms: list[float]
    ) -> None:
        timing = (
            await stats_of(history, [make_entry(processing_time_ms=time_ms) for time_ms in times_ms])
        ).processing_time
        expected = [float(value) for value in np.percentile(times_ms, [0, 50, 95, 99, 100])]
        assert [timing.min_ms, timing.p50_ms, timing.p95_ms, timing.p99_ms, timing.max_ms] == expected
        assert timing.mean_ms == pytest.approx(np.mean(times_ms), rel=1e-12)


class TestWindow:
    @pytest.fixture
    async def hourly(self, history: HistoryRepository) -> HistoryRepository:
        await history.add(
            [
                make_entry(created_at=NOON + timedelta(hours=hour), age=float(hour), processing_time_ms=float(hour))
                for hour in range(24)
            ]
        )
        return history

    async def test_begins_with_since(self, hourly: HistoryRepository) -> None:
        stats = await hourly.stats(since=NOON + timedelta(hours=20))
        assert (stats.total_requests, stats.age.min, stats.processing_time.min_ms) == (4, 20.0, 20.0)

    async def test_ends_before_until(self, hourly: HistoryRepository) -> None:
        stats = await hourly.stats(until=NOON + timedelta(hours=20))
        assert (stats.total_requests, stats.age.max, stats.processing_time.max_ms) == (20, 19.0, 19.0)

    async def test_lets_neighbouring_windows_count_each_request_once(self, hourly: HistoryRepository) -> None:
        edges = [NOON + timedelta(hours=hour) for hour in (0, 5, 11, 24)]
        counts = [(await hourly.stats(since=since, until=until)).total_requests for since, until in pairwise(edges)]
        assert counts == [5, 6, 13]

    async def test_has_its_own_percentiles(self, hourly: HistoryRepository) -> None:
        stats = await hourly.stats(since=NOON + timedelta(hours=2), until=NOON + timedelta(hours=13))
        expected = [float(value) for value in np.percentile(np.arange(2.0, 13.0), [50, 95, 99])]
        timing = stats.processing_time
        assert [timing.p50_ms, timing.p95_ms, timing.p99_ms] == expected

    async def test_takes_moments_of_any_zone(self, hourly: HistoryRepository) -> None:
        since = datetime.fromisoformat("2025-12-15T13:00:00+05:00")
        assert since.astimezone(UTC) == datetime(2025, 12, 15, 8, tzinfo=UTC)
        assert (await hourly.stats(since=since)).total_requests == 4
