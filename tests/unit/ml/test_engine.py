"""The compute thread and its queue."""

import asyncio
import threading
import time
from contextlib import ExitStack

import pytest

from app.core.exceptions import CallerGone, DeadlineExceeded, Overloaded, ShuttingDown
from app.core.steps import Steps
from app.ml.engine import HOLD_S, Engine, Patience


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
        assert engine.room == 0
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


async def test_lets_single_requests_between_the_steps_of_a_computation() -> None:
    engine = Engine(4)
    order: list[str] = []

    def steps() -> Steps[str]:
        for index in range(5):
            order.append(f"step {index}")
            yield
        return "done"

    async def single() -> None:
        with engine.admit() as desk:
            await desk.run(order.append, "single")

    with engine.admit() as desk:
        outcome, _ = await asyncio.gather(desk.run_steps(steps()), single())
    assert outcome == "done"
    assert order.index("single") < order.index("step 4")
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


async def test_computes_nothing_for_a_caller_who_hung_up_while_waiting() -> None:
    engine = Engine(4)
    computed: list[str] = []
    release, is_wanted = threading.Event(), True
    with engine.admit() as desk, engine.admit(Patience(is_wanted=lambda: is_wanted)) as other:
        first = asyncio.create_task(desk.run(release.wait))
        await asyncio.sleep(0)
        second = asyncio.create_task(other.run(computed.append, "second"))
        await asyncio.sleep(0)
        is_wanted = False
        release.set()
        await first
        with pytest.raises(CallerGone):
            await second
    assert computed == []
    engine.close()


async def test_computes_nothing_after_the_callers_deadline() -> None:
    engine = Engine(4)
    computed: list[str] = []
    with engine.admit(Patience(deadline_s=time.perf_counter() + 0.05)) as desk, engine.admit() as other:
        blocking = asyncio.create_task(other.run(time.sleep, 0.1))
        await asyncio.sleep(0)
        with pytest.raises(DeadlineExceeded):
            await desk.run(computed.append, "late")
        await blocking
    assert computed == []
    engine.close()


async def test_turns_away_what_waited_too_long() -> None:
    engine = Engine(4, max_wait_s=0.05)
    with engine.admit() as desk, engine.admit() as other:
        blocking = asyncio.create_task(other.run(time.sleep, 0.1))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await desk.run(int)
        await blocking
    engine.close()


async def test_turns_away_whose_turn_would_come_too_late() -> None:
    engine = Engine(400)
    with engine.admit() as desk:
        for _ in range(30):
            await desk.run(time.sleep, 0.002)
    with ExitStack() as waiting:
        for _ in range(300):
            waiting.enter_context(engine.admit())
        engine.check_room(Patience())
        with pytest.raises(DeadlineExceeded):
            engine.check_room(Patience(deadline_s=time.perf_counter() + 0.02))
    engine.close()


async def test_refuses_what_waits_when_it_closes() -> None:
    engine = Engine(4)
    started, release = threading.Event(), threading.Event()

    def block() -> None:
        started.set()
        release.wait()

    with engine.admit() as desk, engine.admit() as other:
        first = asyncio.create_task(desk.run(block))
        second = asyncio.create_task(other.run(int))
        await asyncio.to_thread(started.wait)
        closing = asyncio.create_task(asyncio.to_thread(engine.close))
        await asyncio.sleep(0.01)
        release.set()
        await first
        with pytest.raises(ShuttingDown):
            await second
        await closing


async def test_hands_results_over_together_while_others_wait() -> None:
    engine = Engine(8)
    may_end = threading.Event()
    told: list[int] = []

    async def compute(index: int) -> None:
        with engine.admit() as desk:
            await desk.run(may_end.wait if index == 0 else lambda: True)
            told.append(loop_turn)

    loop_turn = 0
    waiting = [asyncio.create_task(compute(index)) for index in range(6)]
    await asyncio.sleep(0.05)
    may_end.set()
    while len(told) < 6:
        await asyncio.sleep(0)
        loop_turn += 1
    assert len(set(told)) == 1
    await asyncio.gather(*waiting)
    engine.close()


async def test_keeps_no_result_back_for_long() -> None:
    engine = Engine(8)
    order: list[str] = []
    first = asyncio.Event()

    async def compute(name: str, spent_s: float) -> None:
        with engine.admit() as desk:
            await desk.run(time.sleep, spent_s)
            order.append(name)
            first.set()

    async def look() -> None:
        await first.wait()
        order.append("seen")

    await asyncio.gather(*(compute(name, 2 * HOLD_S) for name in "abc"), look())
    assert order.index("seen") < order.index("c")
    engine.close()


async def test_says_so_when_a_result_comes_too_late() -> None:
    engine = Engine(4)
    with engine.admit(Patience(deadline_s=time.perf_counter() + 0.02)) as desk, pytest.raises(DeadlineExceeded):
        await desk.run(time.sleep, 0.05)
    engine.close()


async def test_counts_its_own_time_among_what_a_deadline_must_hold() -> None:
    engine = Engine(4)
    with engine.admit() as desk:
        for _ in range(3):
            await desk.run(time.sleep, 0.1)
    with pytest.raises(DeadlineExceeded):
        engine.check_room(Patience(deadline_s=time.perf_counter() + 0.001))
    engine.close()
