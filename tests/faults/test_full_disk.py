"""A disk without room, and a log that a reader keeps from shrinking (the catalogue's 56 and 59)."""

import asyncio
import contextlib
import itertools
import resource
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from tests.faults.load import JSON, Crowd
from tests.faults.service import Installation, Service, wait_until
from tests.faults.wire import Answer, call
from tests.fixtures.skipping import skip_or_fail

pytestmark = pytest.mark.heavy

DISK_BYTES = 3 * 2**20
FILE_BYTES = 128 * 2**10
N_ROWS_AT_MOST = 2_000
N_REFUSED_IN_A_ROW = 8
RECOVERS_WITHIN_S = 20
JOURNAL_LIMIT_BYTES = 64 * 2**20
BALLAST_BYTES = 80 * 2**20


class Disk(NamedTuple):
    """A disk that can be filled, and freed again."""

    fill: Callable[[Service], None]
    free: Callable[[Service], None]


def small_disk(folder: Path) -> Iterator[Disk]:
    """Mount a disk of a few megabytes over the folder."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        skip_or_fail("only root may mount a small disk")
    ballast = folder / "ballast"

    def fill(_service: Service) -> None:
        with ballast.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
            while stream.write(b"\0" * 4096):
                pass

    try:
        yield Disk(fill, lambda _service: ballast.unlink())
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def limited_files(_folder: Path) -> Iterator[Disk]:
    """Let no file of the processes grow, which needs no mount and no root."""

    def limit(service: Service, n_bytes: int) -> None:
        for process in service.members():
            process.rlimit(psutil.RLIMIT_FSIZE, (n_bytes, resource.RLIM_INFINITY))

    yield Disk(lambda service: limit(service, FILE_BYTES), lambda service: limit(service, resource.RLIM_INFINITY))


@pytest.fixture(params=[small_disk, limited_files])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    yield from request.param(folder)


@pytest.fixture
def cramped(disk: Disk, installation: Installation, tmp_path: Path) -> Installation:
    """An installation whose database lies on that disk."""
    file = tmp_path / "disk" / "history.db"
    file.write_bytes(installation.sqlite_file.read_bytes())
    installation.database_url = f"sqlite+aiosqlite:///{file}"
    # The log of the service must not be what fails, and a disk this small always has too little room by the default.
    installation.configure(LOG_LEVEL="WARNING", MIN_FREE_DISK_BYTES="0")
    return installation


def post(service: Service, body: bytes) -> Answer:
    return call(service.port, "POST", "/api/v1/forward", body, JSON)


def status(service: Service, path: str) -> int:
    return call(service.port, "GET", path).status


def test_a_full_disk_is_503_until_there_is_room_again(
    cramped: Installation, disk: Disk, bodies: Sequence[bytes]
) -> None:
    service = cramped.start()
    for body in bodies:
        acknowledge(cramped, post(service, body))
    disk.fill(service)
    post_until_refused(cramped, service, bodies)
    assert status(service, "/health/live") == 200
    assert status(service, "/api/v1/history") == 200
    assert wait_until(lambda: status(service, "/health/ready") == 503, within_s=5)
    assert call(service.port, "GET", "/health/ready").json["checks"]["database_writable"] is False
    disk.free(service)
    assert wait_until(lambda: status(service, "/health/ready") == 200, RECOVERS_WITHIN_S)
    acknowledge(cramped, post(service, bodies[0]))
    assert service.is_running


def post_until_refused(installation: Installation, service: Service, bodies: Sequence[bytes]) -> None:
    """Use up the room that the database has within its own files: what is refused is whole, and so is what is not."""
    refused_in_a_row = 0
    for body in itertools.islice(itertools.cycle(bodies), N_ROWS_AT_MOST):
        answer = post(service, body)
        if answer.status == 503:
            assert int(answer.headers["retry-after"]) >= 1
            refused_in_a_row += 1
        else:
            acknowledge(installation, answer)
            refused_in_a_row = 0
        if refused_in_a_row == N_REFUSED_IN_A_ROW:
            return
    pytest.fail(f"{N_ROWS_AT_MOST} rows went onto a full disk")


def acknowledge(installation: Installation, answer: Answer) -> None:
    assert answer.status == 200
    installation.acks.add(answer.headers["x-request-id"], [answer.json["class_name"]])


async def test_a_reader_that_does_not_end_stops_no_writer_and_leaves_no_endless_log(
    installation: Installation, bodies: Sequence[bytes], scale: int
) -> None:
    service = installation.start()
    log = installation.sqlite_file.with_name("history.db-wal")
    crowd = Crowd(service.port, bodies, installation.acks)
    crowd.gather(8)
    await crowd.wait_for_acks(10)
    with closing(sqlite3.connect(installation.sqlite_file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        seen = reader.execute("SELECT count(*) FROM request_history").fetchone()
        await asyncio.to_thread(write_ballast, installation.sqlite_file)
        await crowd.wait_for_acks(crowd.tally.statuses[200] + 50)
        await asyncio.sleep(2 * (scale - 1))
        assert log.stat().st_size > JOURNAL_LIMIT_BYTES
        assert reader.execute("SELECT count(*) FROM request_history").fetchone() == seen
        reader.execute("COMMIT")
    shrinks = lambda: log.stat().st_size <= JOURNAL_LIMIT_BYTES  # noqa: E731
    assert await asyncio.to_thread(wait_until, shrinks, RECOVERS_WITHIN_S)
    tally = await crowd.disperse()
    assert set(tally.statuses) == {200}


def write_ballast(file: Path) -> None:
    """Make the log long in one go, as a program does that works on the same file."""
    with closing(sqlite3.connect(file, timeout=20, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("CREATE TABLE ballast (content BLOB)")
        other.execute("INSERT INTO ballast VALUES (zeroblob(?))", (BALLAST_BYTES,))
        other.execute("DROP TABLE ballast")
        other.execute("COMMIT")
