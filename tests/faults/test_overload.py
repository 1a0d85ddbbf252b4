"""Four times what the service can do (the catalogue's 76): it does what it can and refuses the rest at once."""

import asyncio
import itertools
import json
import statistics
import sys
import time
from collections.abc import Sequence

import pytest

from tests.faults.acks import AckLog
from tests.faults.figures import PrintFigure
from tests.faults.load import Broken, Caller, Crowd, NotConnected, Tally
from tests.faults.service import Installation, Service
from tests.fixtures.server import PROJECT_DIR

pytestmark = pytest.mark.heavy

OVERLOAD = 4
N_MEASURING = 8
MEASURED_S = 5
OVERLOADED_S = 12
#: callers who wait at once at most: beyond it they would measure themselves
N_CALLERS_AT_MOST = 400

# The promises are 100 ms for a refusal and for a probe, and 90 % of the peak; a machine that is shared gets some slack.
LIVE_WITHIN_S = 0.1
LIVE_AT_WORST_S = 1.0
REFUSED_WITHIN_S = 0.5
ACCEPTED_WITHIN_S = 10
GOODPUT_SHARE = 0.7
GROWTH_MIB = 64


class Arrivals:
    """Requests that arrive at a rate, whether or not the earlier ones were answered."""

    def __init__(self, port: int, bodies: Sequence[bytes], acks: AckLog) -> None:
        self.tally = Tally()
        self._port = port
        self._bodies = itertools.cycle(bodies)
        self._acks = acks
        self._idle: list[Caller] = []
        self._busy: set[asyncio.Task[None]] = set()

    async def come(self, rate_hz: float, duration_s: float) -> None:
        """Let them come, then wait for the last answers."""
        started_s = time.monotonic()
        for number in range(int(rate_hz * duration_s)):
            await asyncio.sleep(max(0, started_s + number / rate_hz - time.monotonic()))
            if len(self._busy) < N_CALLERS_AT_MOST:
                task = asyncio.create_task(self._post())
                self._busy.add(task)
                task.add_done_callback(self._busy.discard)
        await asyncio.gather(*self._busy)
        for caller in self._idle:
            await caller.close()

    async def _post(self) -> None:
        caller = self._idle.pop() if self._idle else Caller(self._port)
        started_s = time.monotonic()
        try:
            answer = await caller.call("POST", "/api/v1/forward", next(self._bodies))
        except NotConnected:
            self.tally.not_connected += 1
            return
        except Broken as broken:
            self.tally.broken.append(broken)
            return
        self.tally.note(answer, time.monotonic() - started_s)
        if answer.status == 200:
            self._acks.add(answer.headers["x-request-id"], [answer.json["class_name"]])
        self._idle.append(caller)


async def probe(service: Service, duration_s: float) -> list[float]:
    """Ask /health/live from another process, which this one's load does not slow down."""
    arguments = ("-m", "tests.faults.prober", str(service.port), str(duration_s))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, cwd=PROJECT_DIR
    )
    output, _ = await process.communicate()
    waits_s: list[float] = json.loads(output)
    return waits_s


async def peak_hz(service: Service, installation: Installation, bodies: Sequence[bytes]) -> float:
    """Measure what the service does when nobody has to be sent away."""
    crowd = Crowd(service.port, bodies, installation.acks)
    crowd.gather(N_MEASURING)
    await crowd.wait_for_acks(50)
    before = crowd.tally.statuses[200]
    await asyncio.sleep(MEASURED_S)
    done = crowd.tally.statuses[200] - before
    await crowd.disperse()
    return done / MEASURED_S


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))]


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_four_times_the_capacity_leaves_the_service_as_fast_as_it_was(
    installation: Installation, bodies: Sequence[bytes], scale: int, print_figure: PrintFigure, workers: str
) -> None:
    service = installation.start(WORKERS=workers)
    peak = await peak_hz(service, installation, bodies)
    arrivals = Arrivals(service.port, bodies, installation.acks)
    duration_s = OVERLOADED_S * scale
    with service.weighed() as scales:
        started_s = time.monotonic()
        live_s, _ = await asyncio.gather(
            probe(service, duration_s), arrivals.come(rate_hz=OVERLOAD * peak, duration_s=duration_s)
        )
        took_s = time.monotonic() - started_s
    tally = arrivals.tally
    goodput = tally.statuses[200] / took_s
    accepted_s, refused_s = tally.waits_s[200], tally.waits_s.get(503, [0.0])
    print_figure(
        peak_hz=round(peak),
        goodput_hz=round(goodput),
        statuses=dict(tally.statuses),
        accepted_p99_s=round(percentile(accepted_s, 0.99), 3),
        refused_median_s=round(statistics.median(refused_s), 3),
        live_p95_s=round(percentile(live_s, 0.95), 3),
        live_max_s=round(max(live_s), 3),
        growth_mib=round(scales.growth_mib),
    )
    assert set(tally.statuses) == {200, 503}
    assert tally.without_retry_after == 0
    assert (tally.broken, tally.not_connected) == ([], 0)
    assert percentile(live_s, 0.95) < LIVE_WITHIN_S
    assert max(live_s) < LIVE_AT_WORST_S
    assert statistics.median(refused_s) < REFUSED_WITHIN_S
    assert percentile(accepted_s, 0.99) < ACCEPTED_WITHIN_S
    assert goodput > GOODPUT_SHARE * peak
    assert scales.growth_mib < GROWTH_MIB
