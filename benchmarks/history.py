"""How fast the history answers with a million rows on SQLite, and what group commit is worth.

    uv run python -m benchmarks.history [--rows 1000000] [--file FILE]

`/stats` has 1.5 s and page 1 of `/history` 50 ms, measured at the repository: the best of several runs after one
that warms the disk's cache, because what else the machine does can only add. The processor's time stands beside it.
Group commit is measured against one commit a row, in the same minute. The exit code is 1 when a bar is missed.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import uvloop
from tqdm import tqdm

from app.core.constants import CLASS_DESCRIPTIONS, CLASS_NAMES
from app.database.connection import Database
from app.database.migrate import upgrade
from app.database.repositories.history import HistoryEntry, HistoryRepository
from app.ecg.record import HEART_AXES

STATS_BAR_S: Final = 1.5
PAGE_BAR_S: Final = 0.050
RUNS: Final = 7
CHUNK: Final = 20_000
CONCURRENCY: Final = 64
START: Final = datetime(2025, 1, 1, tzinfo=UTC)
STEP: Final = timedelta(seconds=30)


def make_entries(first: int, count: int, rng: np.random.Generator) -> list[HistoryEntry]:
    """Return entries as a busy service would write them; two in a hundred failed."""
    age = rng.integers(18, 95, count)
    height, weight = rng.normal(170, 10, count).round(1), rng.normal(75, 15, count).round(1)
    class_index = rng.choice(len(CLASS_NAMES), count, p=[0.45, 0.15, *[0.4 / 14] * 14])
    axis, sex = rng.integers(0, len(HEART_AXES), count), rng.integers(0, 2, count)
    succeeded, time_ms = rng.random(count) < 0.98, rng.gamma(4, 3, count)
    return [
        HistoryEntry(
            created_at=START + (first + i) * STEP,
            age=float(age[i]),
            sex=int(sex[i]),
            height=float(height[i]),
            weight=float(weight[i]),
            processing_time_ms=float(time_ms[i]),
            success=bool(succeeded[i]),
            status_code=200 if succeeded[i] else 403,
            input_bytes=480_128,
            predicted_class_index=int(class_index[i]) if succeeded[i] else None,
            predicted_class_name=CLASS_NAMES[class_index[i]] if succeeded[i] else None,
            heart_axis=HEART_AXES[axis[i]],
            request_type="single",
            source="json",
            predicted_class_description=CLASS_DESCRIPTIONS[class_index[i]] if succeeded[i] else None,
            error_message=None if succeeded[i] else "Модель не смогла обработать данные",
            model_version="2026.1",
            request_id=f"{first + i:032x}",
            queue_ms=0.1,
            decode_ms=0.9,
            prepare_ms=1.1,
            features_ms=2.2,
            model_ms=0.3,
        )
        for i in range(count)
    ]


async def fill(history: HistoryRepository, rows: int) -> None:
    """Add rows until there are as many, through the way every row takes."""
    rng = np.random.default_rng(0)
    present = (await history.page(limit=1)).total
    for first in tqdm(range(present, rows, CHUNK), desc="filling", unit="chunk", disable=None):
        await history.add(make_entries(first, min(CHUNK, rows - first), rng))


@dataclass(frozen=True, slots=True)
class Duration:
    """What a piece of work took at best, by the clock and by the processor."""

    elapsed_s: float
    processor_s: float

    def __str__(self) -> str:
        return f"{self.elapsed_s * 1e3:8.1f} ms {self.processor_s * 1e3:8.1f} ms of processor"


async def best(work: Callable[[], Awaitable[object]]) -> Duration:
    """Return the least durations of several runs after a first one that does not count."""
    await work()
    elapsed_s, processor_s = [], []
    for _ in range(RUNS):
        start, processor_start = time.perf_counter(), time.process_time()
        await work()
        elapsed_s.append(time.perf_counter() - start)
        processor_s.append(time.process_time() - processor_start)
    return Duration(min(elapsed_s), min(processor_s))


async def insert_rate(history: HistoryRepository, entries: list[HistoryEntry], *, concurrency: int) -> float:
    """Return rows a second when so many callers add a row each and wait for their answers."""
    waiting: Iterator[HistoryEntry] = iter(entries)

    async def caller() -> None:
        for entry in waiting:
            await history.add([entry])

    start = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(concurrency)))
    return len(entries) / (time.perf_counter() - start)


async def measure_reading(history: HistoryRepository) -> bool:
    """Print what reading takes; return whether the bars hold."""
    rows = (await history.page(limit=1)).total
    middle = START + rows // 2 * STEP
    print(f"{rows:,} rows")
    stats = await best(history.stats)
    page = await best(lambda: history.page(limit=100))
    print(f"  /stats                    {stats}   (bar {STATS_BAR_S * 1e3:.0f} ms)")
    print(f"  /history, page 1          {page}   (bar {PAGE_BAR_S * 1e3:.0f} ms)")
    print(f"  /history, limit 1000      {await best(lambda: history.page(limit=1_000))}")
    print(f"  /stats of all by date     {await best(lambda: history.stats(since=START))}")
    print(f"  /stats of the later half  {await best(lambda: history.stats(since=middle))}")
    return stats.elapsed_s <= STATS_BAR_S and page.elapsed_s <= PAGE_BAR_S


async def measure_writing(history: HistoryRepository) -> None:
    """Print what group commit is worth beside one commit a row."""
    entries = make_entries(0, 4_000, np.random.default_rng(1))
    alone = await insert_rate(history, entries[:1_000], concurrency=1)
    together = await insert_rate(history, entries, concurrency=CONCURRENCY)
    print(f"  one commit a row          {alone:8.0f} rows/s")
    print(f"  group commit, {CONCURRENCY} callers  {together:8.0f} rows/s   (ratio {together / alone:.1f})")


async def run(file: Path, rows: int) -> bool:
    """Fill, measure, and return whether the bars hold."""
    url = f"sqlite+aiosqlite:///{file}"
    await upgrade(url)
    database = Database(url)
    history = HistoryRepository(database)
    try:
        await fill(history, rows)
        bars_hold = await measure_reading(history)
        await measure_writing(history)
    finally:
        await database.close()
    return bars_hold


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--file", type=Path, help="database to fill and keep; a temporary one without")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = arguments.file or Path(folder) / "history.db"
        sys.exit(0 if uvloop.run(run(file, arguments.rows)) else 1)


if __name__ == "__main__":
    main()
