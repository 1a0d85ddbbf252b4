"""The compute thread and its queue."""

import asyncio
import threading

import pytest

from app.core.exceptions import Overloaded, ShuttingDown
from app.ml.engine import Engine


async def test_computes_in_one_other_thread() -> None:
    engine = Engine(4)
    with engine.admit() as desk:
        names = [await desk.run(lambda: threading.current_thread().name) for _ in range(3)]
    assert set(names) == {"compute"}
    engine.close()


async def test_hands_errors_back() -> None:
    engine = Engine(4)
    with engine.admit() as desk, pytest.raises(ZeroDivisionError):
        await desk.run(lambda: 1 // 0)
    assert engine.admitted == 0
    engine.close()


async def test_turns_away_whoever_finds_it_full() -> None:
    engine = Engine(2)
    with engine.admit(), engine.admit():
        assert engine.is_full
        with pytest.raises(Overloaded), engine.admit():
            pass
    with engine.admit():
        assert engine.admitted == 1
    engine.close()


async def test_lets_single_requests_between_the_parts_of_a_batch() -> None:
    engine = Engine(4)
    order: list[str] = []

    async def batch() -> None:
        with engine.admit() as desk:
            for index in range(5):
                await desk.run(order.append, f"batch {index}")

    async def single() -> None:
        with engine.admit() as desk:
            await desk.run(order.append, "single")

    await asyncio.gather(batch(), single())
    assert order.index("single") < order.index("batch 4")
    engine.close()


async def test_takes_nothing_after_closing() -> None:
    engine = Engine(4)
    engine.close()
    with pytest.raises(ShuttingDown), engine.admit():
        pass


async def test_frees_the_place_of_a_caller_who_went_away() -> None:
    engine = Engine(1)
    release = threading.Event()

    async def wait() -> None:
        with engine.admit() as desk:
            await desk.run(release.wait)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert engine.admitted == 0
    release.set()
    engine.close()
