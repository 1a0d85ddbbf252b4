"""The process: how it starts, refuses to start, stops, and what it keeps."""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.fixtures.ecg import encode, make_request, make_signal
from tests.fixtures.server import PROJECT_DIR, StartService, environment

LIKE_WINDOWS = """
import asyncio, os, signal, sys, types
import uvicorn.loops.asyncio

class ProactorEventLoop(asyncio.SelectorEventLoop):
    def add_reader(self, *_):
        raise NotImplementedError
    remove_reader = add_reader

for missing in ("fcntl", "grp", "pwd", "resource", "uvloop"):
    sys.modules[missing] = None
for module, names in ((signal, ("SIGHUP", "SIGUSR1")), (os, ("sched_getaffinity", "O_NOFOLLOW", "O_NONBLOCK"))):
    for name in names:
        delattr(module, name)
asyncio.ProactorEventLoop = ProactorEventLoop
uvicorn.loops.asyncio.sys = types.SimpleNamespace(platform="win32")
"""
"""What the service meets on Windows, as far as it can be shown elsewhere: names it does not find, and another loop."""

JSON = {"Content-Type": "application/json"}


def run(tmp_path: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Start the service in the expectation that it refuses."""
    database = f"sqlite+aiosqlite:///{tmp_path / 'history.db'}"
    return subprocess.run(
        [sys.executable, "-m", "app.main"],
        check=False,
        cwd=PROJECT_DIR,
        env=environment(**{"DATABASE_URL": database, **settings}),
        capture_output=True,
        text=True,
        timeout=180,
    )


def test_starts_without_a_model_and_says_so(start_service: StartService) -> None:
    service = start_service(MODEL_PATH="/nowhere/model.pkl")
    health = httpx.get(f"{service.api}/health").json()
    body = encode(make_request(make_signal()[:2500:5], sampling_rate_hz=100))
    refused = httpx.post(f"{service.api}/forward", content=body, headers=JSON)
    assert health == {"status": "healthy", "model_loaded": False}
    assert (refused.status_code, refused.json()["type"]) == (503, "/errors/model-not-loaded")
    assert httpx.get(f"{service.api}/history").json()["records"][0]["status_code"] == 503
    assert service.stop() in {0, -15}


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.skipif(sys.platform == "win32", reason="simulates that very system")
def test_serves_without_uvloop_and_without_what_only_posix_has(
    start_service: StartService, before_start: Callable[[str], str], workers: str
) -> None:
    service = start_service(
        PYTHONPATH=before_start(LIKE_WINDOWS), WORKERS=workers, MODEL_PATH="/nowhere/model.pkl", LOG_LEVEL="WARNING"
    )
    assert httpx.get(f"{service.api}/health").json() == {"status": "healthy", "model_loaded": False}
    assert service.stop() in {0, -15}
    assert "Traceback" not in service.log.read_text()


def test_keeps_its_history_over_a_restart(start_service: StartService, tmp_path: Path) -> None:
    settings = {
        "DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'kept.db'}",
        "MODEL_PATH": "/nowhere/model.pkl",
        "ENVIRONMENT": "development",
    }
    first = start_service(**settings)
    httpx.post(f"{first.api}/forward", content=b"{}", headers=JSON)
    first.process.kill()
    first.process.wait()
    second = start_service(**settings)
    assert httpx.get(f"{second.api}/history").json()["total"] == 1
    second.stop()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "JWT_SECRET_KEY is the documented default"),
        ({"JWT_SECRET_KEY": "k" * 32}, "ADMIN_PASSWORD is the documented default"),
        ({"JWT_SECRET_KEY": "short", "ADMIN_PASSWORD": "correct horse"}, "JWT_SECRET_KEY is shorter than 32 bytes"),
    ],
)
def test_refuses_an_insecure_production(tmp_path: Path, settings: dict[str, str], reason: str) -> None:
    outcome = run(tmp_path, ENVIRONMENT="production", **settings)
    assert outcome.returncode == 1
    assert outcome.stderr.startswith("refusing to start: ")
    assert reason in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_refuses_a_setting_that_cannot_be(tmp_path: Path) -> None:
    outcome = run(tmp_path, PORT="eighty")
    assert outcome.returncode == 1
    assert "refusing to start: PORT: " in outcome.stderr


def test_refuses_a_model_that_is_not_what_its_manifest_says(tmp_path: Path) -> None:
    model = tmp_path / "model.pkl"
    model.write_bytes(b"not a model")
    outcome = run(tmp_path, MODEL_PATH=str(model), PORT="0")
    check_refused_in_a_line(outcome, f"refusing to start: MODEL_PATH: {model}: ")


def check_refused_in_a_line(outcome: subprocess.CompletedProcess[str], start: str) -> None:
    assert outcome.returncode == 1
    refusals = [line for line in outcome.stderr.splitlines() if line.startswith("refusing to start: ")]
    assert len(refusals) == 1
    assert refusals[0].startswith(start)
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_refuses_an_address_that_is_taken(tmp_path: Path, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        outcome = run(tmp_path, HOST="127.0.0.1", PORT=port, WORKERS=workers, MODEL_PATH="/nowhere/model.pkl")
    check_refused_in_a_line(outcome, f"refusing to start: HOST, PORT: cannot listen on 127.0.0.1:{port}: ")


@pytest.mark.parametrize("address", ["mysql://root:hunter2@host/name", "hunter2 is no address"])
def test_refuses_an_address_of_no_database_without_repeating_it(tmp_path: Path, address: str) -> None:
    outcome = run(tmp_path, DATABASE_URL=address, PORT="0")
    check_refused_in_a_line(outcome, "refusing to start: DATABASE_URL: ")
    assert "hunter2" not in outcome.stderr


def test_refuses_a_database_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "nowhere" / "history.db"
    outcome = run(tmp_path, DATABASE_URL=f"sqlite+aiosqlite:///{file}", PORT="0")
    check_refused_in_a_line(outcome, f"refusing to start: DATABASE_URL: {file}: ")


def test_refuses_a_file_that_is_no_database(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    file.write_bytes(b"not a database" * 1000)
    outcome = run(tmp_path, DATABASE_URL=f"sqlite+aiosqlite:///{file}", PORT="0")
    check_refused_in_a_line(outcome, f"refusing to start: DATABASE_URL: {file}: ")


def test_writes_logs_for_machines_in_production(start_service: StartService) -> None:
    service = start_service(
        ENVIRONMENT="production",
        JWT_SECRET_KEY="k" * 32,
        ADMIN_PASSWORD="correct horse battery",
        MODEL_PATH="/nowhere/model.pkl",
    )
    assert httpx.get(f"{service.api}/history").status_code == 401
    service.stop()
    assert all(line.startswith("{") for line in service.log.read_text().splitlines())
