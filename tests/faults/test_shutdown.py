"""Stopping under load (the catalogue's 74): every request ends well, and so does every process."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from tests.faults.figures import PrintFigure
from tests.faults.load import Caller, Crowd
from tests.faults.service import Installation, Service
from tests.faults.wire import connect, read_until_closed, request

pytestmark = pytest.mark.heavy

N_CALLERS = 50
GRACE_S = 20
SHORT_GRACE_S = 3
SLACK_S = 10


async def stop(service: Service) -> float:
    """Ask for a stop; return how long it took, having made sure that nothing of it is left."""
    started_s = time.monotonic()
    code = await asyncio.to_thread(service.stop)
    took_s = time.monotonic() - started_s
    assert code in {0, -15}
    for _ in range(50):  # helpers of the interpreter end when they notice that nobody is left
        if not service.members():
            break
        await asyncio.sleep(0.1)
    assert service.members() == []
    return took_s


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_stop_under_load_fails_no_request(
    installation: Installation, bodies: Sequence[bytes], print_figure: PrintFigure, workers: str
) -> None:
    """Each is answered 200 or 503, or nobody listened: a caller never has to guess what became of it."""
    service = installation.start(WORKERS=workers, SHUTDOWN_TIMEOUT_S=str(GRACE_S))
    crowd = Crowd(service.port, bodies, installation.acks)
    crowd.gather(N_CALLERS)
    await crowd.wait_for_acks(100)
    took_s = await stop(service)
    tally = await crowd.disperse()
    broken = [str(one) for one in tally.broken if one.was_kept or one.received]
    print_figure(stopped_after_s=round(took_s, 1), statuses=dict(tally.statuses), broken=len(tally.broken))
    assert broken == []
    assert set(tally.statuses) <= {200, 503}
    assert tally.without_retry_after == 0
    assert tally.not_connected == N_CALLERS
    assert took_s < GRACE_S + SLACK_S


async def test_a_stop_tells_callers_that_their_connection_ends(
    installation: Installation, bodies: Sequence[bytes]
) -> None:
    service = installation.start(SHUTDOWN_TIMEOUT_S=str(GRACE_S))
    crowd = Crowd(service.port, bodies, installation.acks)
    crowd.gather(N_CALLERS)
    await crowd.wait_for_acks(50)
    assert crowd.tally.answers_that_close == 0
    await stop(service)
    assert (await crowd.disperse()).answers_that_close > 0


async def test_a_stop_while_workers_still_load_is_no_slower(installation: Installation) -> None:
    """The first worker answers; the others are told to stop before they were told to serve."""
    service = installation.start(WORKERS="3", SHUTDOWN_TIMEOUT_S=str(GRACE_S))
    assert await stop(service) < SLACK_S


async def test_a_batch_under_way_is_finished_before_the_end(
    installation: Installation, bodies: Sequence[bytes]
) -> None:
    service = installation.start(WORKERS="1", SHUTDOWN_TIMEOUT_S=str(GRACE_S))
    batch = b'{"samples": [' + b",".join(list(bodies) * 25) + b"]}"
    caller = Caller(service.port)
    answering = asyncio.create_task(caller.call("POST", "/api/v1/forward/batch", batch))
    await asyncio.sleep(0.3)
    took_s = await stop(service)
    answer = await answering
    await caller.close()  # a batch that was done before the stop leaves it open
    assert answer.status == 200
    assert took_s < GRACE_S + SLACK_S
    names = [prediction["class_name"] for prediction in answer.json["predictions"]]
    assert len(names) == 100
    installation.acks.add(answer.headers["x-request-id"], names)


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_callers_who_do_not_finish_hold_up_no_stop(
    installation: Installation, bodies: Sequence[bytes], workers: str
) -> None:
    service = installation.start(WORKERS=workers, SHUTDOWN_TIMEOUT_S=str(SHORT_GRACE_S))
    halves = [
        b"",
        b"POST /api/v1/forward HTT",
        b"POST /api/v1/forward HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n",
        request("POST", "/api/v1/forward", bodies[0], {"Content-Type": "application/json"}, closes=False)[:-100],
    ]
    connections = [connect(service.port) for _ in halves]
    for connection, half in zip(connections, halves, strict=True):
        connection.sendall(half)
    await asyncio.sleep(0.3)
    took_s = await stop(service)
    assert took_s < SHORT_GRACE_S + SLACK_S
    for connection in connections:
        with connection:
            answer = await asyncio.to_thread(read_until_closed, connection)
            assert b" 500 " not in answer.partition(b"\r\n")[0]


async def test_a_second_request_to_stop_changes_nothing(installation: Installation, bodies: Sequence[bytes]) -> None:
    """An impatient operator, or a container that signals the whole group, still loses no answer."""
    service = installation.start(WORKERS="2", SHUTDOWN_TIMEOUT_S=str(GRACE_S))
    crowd = Crowd(service.port, bodies, installation.acks)
    crowd.gather(8)
    await crowd.wait_for_acks(20)
    for process in service.members():
        process.terminate()
    await asyncio.sleep(0.05)
    await stop(service)
    tally = await crowd.disperse()
    assert set(tally.statuses) <= {200, 503}
