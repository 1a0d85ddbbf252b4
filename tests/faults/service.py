"""The service as a tree of processes: started, killed, weighed and counted as a whole."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest

from tests.faults.acks import AckLog
from tests.faults.invariants import Evidence, violations
from tests.fixtures.server import PROJECT_DIR, START_DEADLINE_S, environment, free_port

STOP_DEADLINE_S = 60
_WEIGH_EVERY_S = 0.02
_MIB = 2**20


def wait_until(condition: Callable[[], bool], within_s: float) -> bool:
    """Return whether something comes true within a time."""
    deadline_s = time.monotonic() + within_s
    while not (is_true := condition()) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    return is_true


@dataclass
class Service:
    """`python -m app.main` with all its children, in a process group of its own."""

    port: int
    process: subprocess.Popen[str]
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def members(self) -> list[psutil.Process]:
        """Return every living process of the group, the first one first."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                if os.getpgid(process.pid) == self.process.pid and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return sorted(found, key=lambda process: process.pid != self.process.pid)

    def signal_all(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """End all processes at once, as a crash of the machine's memory manager would."""
        self.signal_all(signal.SIGKILL)
        self.process.wait(STOP_DEADLINE_S)

    def stop(self) -> int:
        """Ask the first process to stop, as an operator does, and return its exit code."""
        self.process.terminate()
        return self.process.wait(STOP_DEADLINE_S)

    def rss_bytes(self) -> int:
        """Return the memory that all processes hold."""
        total = 0
        for process in self.members():
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        return total

    def wait_until_ready(self) -> None:
        """Wait for the last of the processes."""
        deadline_s = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < deadline_s:
            connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
            with closing(connection), contextlib.suppress(OSError):
                connection.request("GET", "/health/ready")
                if connection.getresponse().status == HTTPStatus.OK:
                    return
            time.sleep(0.05)
        pytest.fail(f"the service was not ready:\n{self.log.read_text()}")

    @contextmanager
    def weighed(self) -> Iterator["Scales"]:
        """Watch the memory for as long as the context lasts, once every process has loaded."""
        self.wait_until_ready()
        scales = Scales(self.members())
        watcher = threading.Thread(target=scales.watch)
        watcher.start()
        try:
            yield scales
        finally:
            scales.done.set()
            watcher.join()


class Scales:
    """How much more memory some processes held at most than when it began."""

    def __init__(self, processes: list[psutil.Process]) -> None:
        self._processes = processes
        self.done = threading.Event()
        self._first_bytes = self._peak_bytes = self._weigh()

    @property
    def growth_mib(self) -> float:
        return (self._peak_bytes - self._first_bytes) / _MIB

    def watch(self) -> None:
        while not self.done.wait(_WEIGH_EVERY_S):
            self._peak_bytes = max(self._peak_bytes, self._weigh())

    def _weigh(self) -> int:
        total = 0
        for process in self._processes:
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        return total


@dataclass
class Installation:
    """A database, what a client was told about it, and the processes that were started on it."""

    folder: Path
    database_url: str
    acks: AckLog = field(init=False)
    services: list[Service] = field(default_factory=list)
    _settings: Mapping[str, str] = field(default_factory=dict)
    _searched: dict[Path, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.acks = AckLog(self.folder / "acks.jsonl")

    @property
    def sqlite_file(self) -> Path:
        return Path(self.database_url.partition(":///")[2])

    def configure(self, **settings: str) -> None:
        """Set what every later start shall have."""
        self._settings = {**self._settings, **settings}

    def start(self, **settings: str) -> Service:
        """Start a process and wait until it answers; what is not given is as at the last start."""
        self.configure(**settings)
        port = free_port()
        service = Service(port, self._launch(port), self.folder / f"log-{len(self.services)}")
        self.services.append(service)
        _wait_until_it_answers(service)
        return service

    def check(self) -> None:
        """Make sure that every invariant holds; what was killed is started again, what was told to stop is not."""
        service = self.services[-1] if self.services else self.start()
        if service.process.poll() == -signal.SIGKILL:
            service = self.start()
        evidence = Evidence(
            database_url=self.database_url,
            acks=self.acks,
            url=service.url if service.is_running else None,
            logs={one.log: self._searched.get(one.log, 0) for one in self.services},
        )
        found = violations(evidence)
        # What one test has caused is not held against the next one that shares the service.
        self._searched = {log: log.stat().st_size for log in evidence.logs}
        assert found == []

    def close(self) -> None:
        for service in self.services:
            service.kill()

    def _launch(self, port: int) -> subprocess.Popen[str]:
        own = {"HOST": "127.0.0.1", "PORT": str(port), "DATABASE_URL": self.database_url, "LOG_FORMAT": "json"}
        variables = environment(**own, **self._settings)
        variables.pop("PYTHONDONTWRITEBYTECODE", None)  # many processes start: compile once
        with (self.folder / f"log-{len(self.services)}").open("w") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "app.main"],
                cwd=PROJECT_DIR,
                env=variables,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )


def _wait_until_it_answers(service: Service) -> None:
    deadline_s = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < deadline_s and service.is_running:
        connection = HTTPConnection("127.0.0.1", service.port, timeout=10)
        with closing(connection), contextlib.suppress(OSError):
            connection.request("GET", "/health/live")
            connection.getresponse()
            return
        time.sleep(0.05)
    pytest.fail(f"the service did not start:\n{service.log.read_text()}")
