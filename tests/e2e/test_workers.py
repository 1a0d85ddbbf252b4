"""Several processes behave as one service: replaced when they die, and given a new model without a failed request."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Self

import httpx
import pytest

from app.ml.manifest import parse_manifest
from tests.fixtures.ecg import encode, make_request, make_signal
from tests.fixtures.server import PROJECT_DIR, Service, StartService, environment

BUNDLED = PROJECT_DIR / "app" / "ml_artifacts" / "model.pkl"
JSON = {"Content-Type": "application/json"}
BODY = encode(make_request(make_signal()[:2500:5], sampling_rate_hz=100))
DEADLINE_S = 120

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="signals of this kind are those of POSIX systems"),
]


def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def is_ready(service: Service) -> bool:
    return httpx.get(f"{service.url}/health/ready").status_code == 200


def workers_of(service: Service) -> list[int]:
    found = subprocess.run(
        ["pgrep", "-P", str(service.process.pid), "-f", "spawn_main"], capture_output=True, text=True, check=False
    )
    return [int(line) for line in found.stdout.split()]


def copy_model(source: Path, target: Path) -> str:
    """Put a model where the service looks for it; return its version."""
    for suffix in (".pkl", ".json"):
        part = target.with_suffix(f"{suffix}.new")
        shutil.copyfile(source.with_suffix(suffix), part)
        part.replace(target.with_suffix(suffix))
    return parse_manifest(target.with_suffix(".json").read_bytes()).model_version


class Callers:
    """Ask all the time, and count what they are told."""

    def __init__(self, service: Service, count: int = 4) -> None:
        self.statuses: Counter[int | str] = Counter()
        self._service = service
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        with httpx.Client(timeout=60) as client:
            while not self._stopped.is_set():
                try:
                    status: int | str = client.post(
                        f"{self._service.api}/forward", content=BODY, headers=JSON
                    ).status_code
                except httpx.TransportError as error:
                    status = type(error).__name__
                self.statuses[status] += 1


def versions(database: Path) -> list[str]:
    """Return the model of every row, oldest first."""
    with sqlite3.connect(database) as connection:
        found = [row[0] for row in connection.execute("SELECT model_version FROM request_history ORDER BY id")]
    connection.close()
    return found


@pytest.mark.parametrize("workers", [1, 2])
def test_a_swap_of_the_model_fails_no_request_and_a_broken_file_changes_nothing(
    start_service: StartService, tiny_model: Path, tmp_path: Path, workers: int
) -> None:
    model, database = tmp_path / "model.pkl", tmp_path / "history.db"
    first = copy_model(BUNDLED, model)
    service = start_service(WORKERS=str(workers), MODEL_PATH=str(model), DATABASE_URL=f"sqlite+aiosqlite:///{database}")
    until(lambda: is_ready(service))
    with Callers(service) as callers:
        until(lambda: callers.statuses[200] > 20)
        model.write_bytes(b"broken")
        service.process.send_signal(signal.SIGHUP)
        until(lambda: "model_refused" in service.log.read_text())
        assert set(versions(database)) == {first}
        second = copy_model(tiny_model, model)
        assert second != first
        service.process.send_signal(signal.SIGHUP)
        until(lambda: versions(database)[-1] == second)
        seen = callers.statuses[200]
        until(lambda: callers.statuses[200] > seen + 20)
    assert set(callers.statuses) == {200}
    history = versions(database)
    assert set(history) == {first, second}
    if workers == 1:
        assert history == sorted(history, key=[first, second].index)  # from one row to the next, and never back
    assert service.stop() in {0, -signal.SIGTERM}


def test_a_worker_that_dies_is_replaced_and_readiness_says_so(start_service: StartService, tmp_path: Path) -> None:
    service = start_service(WORKERS="2", MODEL_PATH="/nowhere/model.pkl")
    until(lambda: len(workers_of(service)) == 2)
    board = "workers_alive"

    def is_alive() -> bool:
        checks: dict[str, bool] = httpx.get(f"{service.url}/health/ready").json()["checks"]
        return checks[board]

    until(is_alive)
    victim = workers_of(service)[0]
    os.kill(victim, signal.SIGKILL)
    until(lambda: not is_alive())
    until(is_alive)
    assert victim not in workers_of(service)
    assert len(workers_of(service)) == 2
    service.stop()


def test_a_worker_that_stands_still_holds_up_neither_the_others_nor_their_keeper(
    start_service: StartService, before_start: Callable[[str], str], tiny_model: Path, tmp_path: Path
) -> None:
    model, database = tmp_path / "model.pkl", tmp_path / "history.db"
    first = copy_model(tiny_model, model)
    service = start_service(
        WORKERS="2",
        MODEL_PATH=str(model),
        DATABASE_URL=f"sqlite+aiosqlite:///{database}",
        PYTHONPATH=before_start("from app.serving import supervisor; supervisor.PREPARE_DEADLINE_S = 3.0"),
    )
    until(lambda: is_ready(service))
    stopped, other = workers_of(service)
    copy_model(BUNDLED, model)  # larger than what the system keeps of a message that nobody takes
    os.kill(stopped, signal.SIGSTOP)
    try:
        service.process.send_signal(signal.SIGHUP)
        until(lambda: "model_refused" in service.log.read_text())
        os.kill(other, signal.SIGKILL)
        until(lambda: service.log.read_text().count("worker_ended") == 1 and len(workers_of(service)) == 2)
    finally:
        os.kill(stopped, signal.SIGCONT)
    until(lambda: is_ready(service))
    assert stopped in workers_of(service)
    with Callers(service) as callers:
        until(lambda: callers.statuses[200] > 20)
    assert set(callers.statuses) == {200}
    assert set(versions(database)) == {first}
    service.stop()


def test_the_end_of_the_supervisor_is_the_end_of_its_workers(start_service: StartService) -> None:
    service = start_service(WORKERS="2", MODEL_PATH="/nowhere/model.pkl")
    until(lambda: len(workers_of(service)) == 2)
    workers = workers_of(service)
    service.process.kill()
    service.process.wait()
    until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))


def test_a_model_that_is_refused_keeps_the_service_from_starting(tmp_path: Path) -> None:
    model = tmp_path / "model.pkl"
    copy_model(BUNDLED, model)
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    outcome = subprocess.run(
        [sys.executable, "-m", "app.main"],
        check=False,
        cwd=PROJECT_DIR,
        env=environment(
            WORKERS="2", PORT="0", MODEL_PATH=str(model), DATABASE_URL=f"sqlite+aiosqlite:///{tmp_path / 'h.db'}"
        ),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert outcome.returncode == 1
    refusals = [line for line in outcome.stderr.splitlines() if line.startswith("refusing to start: ")]
    assert len(refusals) == 1
    assert refusals[0].startswith(f"refusing to start: MODEL_PATH: {model}: ")
