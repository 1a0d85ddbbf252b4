"""A power cut leaves what was flushed and nothing else (the catalogue's 53): every acknowledged row is in it."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.figures import PrintFigure
from tests.faults.load import Crowd
from tests.faults.powercut import PowerCut, compile_library, prepare
from tests.faults.service import Installation
from tests.fixtures.server import PROJECT_DIR

pytestmark = pytest.mark.heavy

N_WRITERS = 20
N_PRINTED = 300


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_library(tmp_path_factory.mktemp("powercut"))


@pytest.fixture
def cut(library: Path, tmp_path: Path) -> PowerCut:
    return prepare(library, tmp_path)


@pytest.fixture
def wired(installation: Installation, cut: PowerCut) -> Installation:
    """An installation whose database lies where the power can be cut."""
    file = installation.sqlite_file.rename(cut.folder / "history.db")
    cut.assume_durable(file)
    installation.database_url = f"sqlite+aiosqlite:///{file}"
    installation.configure(**cut.environment)
    return installation


async def cut_the_power_under_load(installation: Installation, cut: PowerCut, bodies: Sequence[bytes]) -> int:
    """Return how many answers there were before the power was cut."""
    service = installation.start()
    crowd = Crowd(service.port, bodies, installation.acks)
    crowd.gather(N_WRITERS)
    await crowd.wait_for_acks(150)
    service.kill()
    cut.restore()
    return (await crowd.disperse()).statuses[200]


async def test_no_acknowledged_row_is_lost_in_power_cuts(
    wired: Installation, cut: PowerCut, bodies: Sequence[bytes], scale: int, print_figure: PrintFigure
) -> None:
    acked = []
    for number in range(2 * scale):
        wired.configure(WORKERS=str(1 + number % 2))
        acked.append(await cut_the_power_under_load(wired, cut, bodies))
    print_figure(acknowledged=sum(acked), power_cuts=len(acked))
    wired.configure(LD_PRELOAD="")  # the machine comes up again, and the fixture looks


async def test_no_acknowledged_row_is_lost_when_the_database_is_new(
    wired: Installation, cut: PowerCut, bodies: Sequence[bytes]
) -> None:
    for file in (wired.sqlite_file, cut.durable / "history.db"):
        file.unlink()
    await cut_the_power_under_load(wired, cut, bodies)
    wired.configure(LD_PRELOAD="")


async def test_no_acknowledged_row_is_lost_across_a_checkpoint(
    wired: Installation, cut: PowerCut, bodies: Sequence[bytes]
) -> None:
    """The log is copied into the file and begun anew between two answers."""
    service = wired.start()
    crowd = Crowd(service.port, bodies, wired.acks)
    crowd.gather(N_WRITERS)
    for n_acks in (40, 80, 120):
        await crowd.wait_for_acks(n_acks)
        await asyncio.to_thread(checkpoint, wired.sqlite_file, cut)
    await crowd.wait_for_acks(150)
    service.kill()
    cut.restore()
    await crowd.disperse()
    wired.configure(LD_PRELOAD="")


def checkpoint(file: Path, cut: PowerCut) -> None:
    """Let another process, which the same power serves, copy the log into the file and empty it."""
    script = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1], timeout=20).execute(sys.argv[2]).fetchone())"
    command = [sys.executable, "-c", script, str(file), "PRAGMA wal_checkpoint(TRUNCATE)"]
    subprocess.run(command, check=True, env={**os.environ, **cut.environment}, capture_output=True)


@pytest.mark.parametrize(("synchronous", "loses"), [("OFF", True), ("NORMAL", True), ("FULL", False)])
def test_the_power_cut_has_teeth(cut: PowerCut, print_figure: PrintFigure, synchronous: str, *, loses: bool) -> None:
    """The same cut takes rows from a program that trusts its file system, and none from one that flushes."""
    file = cut.folder / "plain.db"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.plain_writer", str(file), synchronous],
        cwd=PROJECT_DIR,
        env={**os.environ, **cut.environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    printed = [int(process.stdout.readline()) for _ in range(N_PRINTED)]
    process.kill()
    rest, _ = process.communicate()
    printed += [int(line) for line in rest.split("\n")[:-1]]
    cut.restore()
    with closing(sqlite3.connect(file)) as connection:
        stored = {number for (number,) in connection.execute("SELECT number FROM numbers")}
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    print_figure(printed=len(printed), lost=len(set(printed) - stored))
    assert bool(set(printed) - stored) == loses
