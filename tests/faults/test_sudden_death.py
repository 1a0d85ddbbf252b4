"""Processes that are killed at any moment (the catalogue's 52, 55 and 58): what was acknowledged is there."""

import asyncio
import random
import signal
import sqlite3
from collections.abc import Sequence
from contextlib import closing

import psutil
import pytest

from tests.faults.figures import PrintFigure
from tests.faults.load import Crowd
from tests.faults.service import Installation, Service, wait_until

pytestmark = pytest.mark.heavy

N_WRITERS = 20
REPLACED_WITHIN_S = 30


def rows_of(installation: Installation) -> set[str]:
    """Return the ids in a SQLite file, as any process sees them that opens it now."""
    with closing(sqlite3.connect(installation.sqlite_file)) as connection:
        return {name for (name,) in connection.execute("SELECT request_id FROM request_history")}


async def kill_at_a_random_moment(installation: Installation, bodies: Sequence[bytes], moments: random.Random) -> int:
    """Kill everything while many write; return how many were acknowledged."""
    service = installation.start()
    crowd = Crowd(service.port, bodies, installation.acks)
    crowd.gather(N_WRITERS)
    await crowd.wait_for_acks(1)
    await asyncio.sleep(moments.uniform(0, 1.5))
    service.kill()
    return (await crowd.disperse()).statuses[200]


async def test_no_answer_is_lost_when_the_service_is_killed_at_random_moments(
    any_installation: Installation, bodies: Sequence[bytes], scale: int, print_figure: PrintFigure
) -> None:
    seed = random.randrange(2**32)
    print_figure(seed=seed)
    moments = random.Random(seed)
    acked = []
    for number in range(2 * scale):
        any_installation.configure(WORKERS=str(1 + number % 2))
        acked.append(await kill_at_a_random_moment(any_installation, bodies, moments))
    print_figure(acknowledged=sum(acked), kills=len(acked))
    assert sum(acked) > len(acked)


async def test_a_killed_worker_is_replaced_and_loses_no_answer(
    installation: Installation, bodies: Sequence[bytes]
) -> None:
    service = installation.start(WORKERS="2")
    workers = serving_children(service)
    if not workers:
        pytest.fail("WORKERS=2 started no second process")
    crowd = Crowd(service.port, bodies, installation.acks, stops_when_refused=False)
    crowd.gather(8)
    await crowd.wait_for_acks(20)
    workers[0].kill()
    await crowd.wait_for_acks(200)
    await crowd.disperse()
    assert service.is_running
    is_replaced = lambda: len(serving_children(service)) == len(workers)  # noqa: E731
    assert await asyncio.to_thread(wait_until, is_replaced, REPLACED_WITHIN_S)


def serving_children(service: Service) -> list[psutil.Process]:
    """Return the processes that do the first one's work; not the small helper that watches over them."""
    return [process for process in service.members()[1:] if "resource_tracker" not in " ".join(process.cmdline())]


async def test_no_answer_comes_before_its_commit(installation: Installation, bodies: Sequence[bytes]) -> None:
    """Whoever reads an answer finds its row on the disk at once; then everything is stopped and killed in the gap."""
    service = installation.start()
    crowd = Crowd(service.port, bodies, installation.acks)
    crowd.gather(N_WRITERS)
    for _ in range(20):
        await asyncio.sleep(0.05)
        service.signal_all(signal.SIGSTOP)
        await asyncio.sleep(0.05)  # what was sent before arrives
        acknowledged = {ack.request_id for ack in installation.acks.read()}
        assert acknowledged <= rows_of(installation)
        service.signal_all(signal.SIGCONT)
    await crowd.wait_for_acks(1)
    service.signal_all(signal.SIGSTOP)
    await asyncio.sleep(0.05)
    service.kill()
    await crowd.disperse()
    assert {ack.request_id for ack in installation.acks.read()} <= rows_of(installation)


async def test_an_answer_waits_while_the_database_is_locked(
    installation: Installation, bodies: Sequence[bytes]
) -> None:
    """Another program holds the write lock: no answer may come, and the row comes with the answer."""
    service = installation.start()
    crowd = Crowd(service.port, bodies, installation.acks)
    with closing(sqlite3.connect(installation.sqlite_file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        crowd.gather(4)
        await asyncio.sleep(1.5)
        assert crowd.tally.statuses[200] == 0
        other.execute("COMMIT")
    await crowd.wait_for_acks(4)
    await crowd.disperse()


async def test_two_services_write_one_file_and_neither_finds_it_locked(
    installation: Installation, bodies: Sequence[bytes], scale: int, print_figure: PrintFigure
) -> None:
    services = [installation.start(), installation.start()]
    crowds = [Crowd(service.port, bodies, installation.acks) for service in services]
    for crowd in crowds:
        crowd.gather(N_WRITERS // 2)
    await asyncio.sleep(4 * scale)
    tallies = [await crowd.disperse() for crowd in crowds]
    print_figure(acknowledged=[tally.statuses[200] for tally in tallies])
    assert [set(tally.statuses) for tally in tallies] == [{200}, {200}]
    assert [tally.broken for tally in tallies] == [[], []]
    assert {ack.request_id for ack in installation.acks.read()} == rows_of(installation)
    assert all("locked" not in service.log.read_text() for service in services)
