"""Callers in numbers, each on a kept connection, who write down what they were told."""

import asyncio
import contextlib
import itertools
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.faults.acks import AckLog
from tests.faults.wire import Answer, parse_head, request

FORWARD = "/api/v1/forward"
JSON = {"Content-Type": "application/json"}
ANSWER_WITHIN_S = 60


class NotConnected(Exception):
    """Nobody listens: the caller knows that nothing was begun."""


class Broken(Exception):
    """The connection ended before a whole answer was there."""

    def __init__(self, *, was_kept: bool, received: bytes) -> None:
        super().__init__(f"{'kept' if was_kept else 'new'} connection ended after {received[:80]!r}")
        self.was_kept = was_kept
        self.received = received


class Caller:
    """One client: connects when it has to, and keeps the connection while the service lets it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, method: str, path: str, body: bytes = b"") -> Answer:
        """Send a request and return the whole answer.

        Raises
        ------
        NotConnected
            Nobody listens.
        Broken
            The connection ended without a whole answer.
        """
        was_kept = self._streams is not None
        reader, writer = await self._connection()
        try:
            writer.write(request(method, path, body, JSON, closes=False))
            await writer.drain()
            answer = await asyncio.wait_for(_read_answer(reader), ANSWER_WITHIN_S)
        except (OSError, asyncio.IncompleteReadError) as error:
            await self.close()
            raise Broken(was_kept=was_kept, received=getattr(error, "partial", b"")) from error
        if answer.headers.get("connection", "") == "close":
            await self.close()
        return answer

    async def close(self) -> None:
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            try:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError as error:
                raise NotConnected from error
        return self._streams


async def _read_answer(reader: asyncio.StreamReader) -> Answer:
    status, headers = parse_head(await reader.readuntil(b"\r\n\r\n"))
    return Answer(status, headers, await reader.readexactly(int(headers["content-length"])))


@dataclass
class Tally:
    """What callers met."""

    statuses: Counter[int] = field(default_factory=Counter)
    waits_s: dict[int, list[float]] = field(default_factory=dict)
    not_connected: int = 0
    broken: list[Broken] = field(default_factory=list)
    answers_that_close: int = 0
    without_retry_after: int = 0

    def note(self, answer: Answer, wait_s: float) -> None:
        self.statuses[answer.status] += 1
        self.waits_s.setdefault(answer.status, []).append(wait_s)
        self.answers_that_close += answer.headers.get("connection", "") == "close"
        self.without_retry_after += answer.status == 503 and "retry-after" not in answer.headers


class Crowd:
    """Many callers who post ECGs until they are told to stop.

    Parameters
    ----------
    port
        Where the service listens.
    bodies
        What they post, in turn.
    acks
        Where every 200 is written down.
    stops_when_refused
        A caller whom nobody listens to gives up; otherwise it tries again a little later.
    """

    def __init__(self, port: int, bodies: Sequence[bytes], acks: AckLog, *, stops_when_refused: bool = True) -> None:
        self.tally = Tally()
        self._port = port
        self._bodies = itertools.cycle(bodies)
        self._acks = acks
        self._stops_when_refused = stops_when_refused
        self._enough = asyncio.Event()
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def gather(self, n_callers: int) -> None:
        """Let callers begin."""
        self._tasks += [asyncio.create_task(self._post_on()) for _ in range(n_callers)]

    async def disperse(self) -> Tally:
        """Let every caller finish what it is waiting for, and return what they met."""
        self._enough.set()
        await asyncio.gather(*self._tasks)
        return self.tally

    async def wait_for_acks(self, n_acks: int) -> None:
        """Return when so many were acknowledged."""
        async with asyncio.timeout(ANSWER_WITHIN_S):
            while self.tally.statuses[200] < n_acks:
                self._news.clear()
                await self._news.wait()

    async def _post_on(self) -> None:
        caller = Caller(self._port)
        while not self._enough.is_set():
            try:
                await self._post(caller)
            except NotConnected:
                self.tally.not_connected += 1
                if self._stops_when_refused:
                    break
                await asyncio.sleep(0.05)
            except Broken as broken:
                self.tally.broken.append(broken)
        await caller.close()

    async def _post(self, caller: Caller) -> None:
        started_s = time.monotonic()
        answer = await caller.call("POST", FORWARD, next(self._bodies))
        self.tally.note(answer, time.monotonic() - started_s)
        if answer.status == 200:
            self._acks.add(answer.headers["x-request-id"], [answer.json["class_name"]])
            self._news.set()
        elif answer.status == 503:
            await asyncio.sleep(0.05)  # a polite caller, only less patient than Retry-After asks for
