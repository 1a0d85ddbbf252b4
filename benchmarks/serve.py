"""How many ECGs a second the service answers, and how it behaves under more than that.

    uv run python -m benchmarks.serve [--seconds 5] [--rounds 3]

The server has one core, the client the other; everything is compared within one run, and the best of the rounds is
shown, because what other programs take can only make a figure worse. Bars are ratios, except the two that peers set.
The exit code is 1 when a bar is missed. Needs two cores and a Linux scheduler.
"""

import argparse
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from threadpoolctl import threadpool_limits

from app.ecg.record import ECGRecord, Patient
from app.ecg.synthetic import synthesize
from app.ml.artifact import load as load_model
from app.serving.tuning import tune_for_serving
from benchmarks.servers import MODEL

SERVER_CORE: Final = 0
CLIENT_CORE: Final = 1
START_DEADLINE_S: Final = 120
CONNECTIONS: Final = 8
OVERLOAD: Final = 4
OVERLOAD_CONNECTIONS: Final = 288
CEILING_S: Final = 1.0
QUERY: Final = "age=55&sex=1&height=175&weight=80&heart_axis=MID"
PATIENT: Final = {"age": 55, "sex": 1, "height": 175, "weight": 80, "heart_axis": "MID"}
PROJECT: Final = Path(__file__).resolve().parent.parent


@dataclass
class Bars:
    """What was asked and what was measured."""

    rows: list[tuple[str, float, str, float]] = field(default_factory=list)

    def check(self, name: str, value: float, relation: str, bar: float) -> None:
        """Note a bar: the value must be at least (>=) or at most (<=) it."""
        self.rows.append((name, value, relation, bar))

    def print_all(self) -> bool:
        """Print them; return whether all were kept."""
        all_kept = True
        print("\nbar                                                     measured        asked")
        for name, value, relation, bar in self.rows:
            kept = value >= bar if relation == ">=" else value <= bar
            all_kept &= kept
            print(f"{name:52} {value:11.2f}   {relation} {bar:7.2f}  {'kept' if kept else 'MISSED'}")
        return all_kept


def make_requests(folder: Path) -> dict[str, Path]:
    """Write whole requests of one ECG, three decimals, as files."""
    values = np.round(synthesize().signal.astype(float), 3)
    nested = json.dumps({**PATIENT, "ecg_signal": values.tolist()}, separators=(",", ":")).encode()
    npy = BytesIO()
    np.save(npy, values.astype(np.float32))
    bodies = {
        "nested": ("", "application/json", nested),
        "npy": (f"?{QUERY}", "application/x-npy", npy.getvalue()),
        "raw": (f"?{QUERY}", "application/octet-stream", values.astype("<f4").tobytes()),
    }
    files = {}
    for name, (query, media_type, body) in bodies.items():
        head = (
            f"POST /api/v1/forward{query} HTTP/1.1\r\nHost: benchmark\r\nContent-Type: {media_type}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        files[name] = folder / name
        files[name].write_bytes(head.encode() + body)
    return files


class Ceiling:
    """Measures the time from array to probabilities, whenever asked, in a process that does nothing else."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-c", "import benchmarks.serve as s; s.answer_ceilings()"],
            cwd=PROJECT,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.measure_ms()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def measure_ms(self) -> float:
        """Mean of a second's worth."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the process was made with both")
        self._process.stdin.write("measure\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())


def answer_ceilings() -> None:
    """Measure once for every line that comes in; tuned and pinned like a worker."""
    os.sched_setaffinity(0, {SERVER_CORE})
    classifier = load_model(MODEL)
    tune_for_serving()
    signal_mv = np.round(synthesize().signal.astype(float), 3).astype(np.float32)
    record = ECGRecord(signal=signal_mv, patient=Patient(age_years=55, sex=1, height_cm=175, weight_kg=80))
    with threadpool_limits(limits=1):
        for _ in sys.stdin:
            count, started_s = 0, time.perf_counter()
            while time.perf_counter() < started_s + CEILING_S:
                classifier.classify_record(record)
                count += 1
            print(1000 * (time.perf_counter() - started_s) / count, flush=True)


def _environment(**settings: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT), **settings}


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


@dataclass
class Running:
    """A server that answers."""

    process: subprocess.Popen[bytes]
    port: int

    def get(self, path: str, timeout_s: float = 5) -> tuple[int, bytes]:
        """Ask."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=timeout_s) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def worker_rss_mb(self) -> float:
        """Resident memory of the largest process of the server."""
        processes = [self.process.pid, *_children(self.process.pid)]
        return max(_rss_mb(process) for process in processes)


def _children(parent: int) -> list[int]:
    text = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True, check=False).stdout
    return [int(line) for line in text.split()]


def _rss_mb(process: int) -> float:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(name: str, *, cores: set[int], workers: int = 1, **settings: str) -> Iterator[Running]:
    """Start a server on these cores, and stop it."""
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("wb") as log:
        process = subprocess.Popen(
            ["taskset", "-c", ",".join(map(str, sorted(cores))), *_python("benchmarks.servers", name, str(port))],
            cwd=PROJECT,
            env=_environment(
                HOST="127.0.0.1",
                PORT=str(port),
                WORKERS=str(workers),
                DATABASE_URL=f"sqlite+aiosqlite:///{folder}/history.db",
                **settings,
            ),
            stdout=log,
            stderr=log,
        )
        server = Running(process, port)
        try:
            _wait_until_ready(server, is_ours=name in {"real", "trivial"})
            yield server
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def _wait_until_ready(server: Running, *, is_ours: bool) -> None:
    deadline_s = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < deadline_s:
        with contextlib.suppress(OSError):
            status, _ = server.get("/health/ready" if is_ours else "/openapi.json")
            if status == 200:
                return
        if server.process.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError("the server did not start")


def load(
    server: Running,
    request: Path,
    seconds: float,
    *,
    connections: int = CONNECTIONS,
    core: int | None = CLIENT_CORE,
    rate_per_s: float = 0,
) -> dict[str, Any]:
    """Ask as fast as the answers come, from another process."""
    command = _python("benchmarks.load", "127.0.0.1", str(server.port), str(request))
    command += ["--connections", str(connections), "--seconds", str(seconds), "--rate", str(rate_per_s)]
    command += [] if core is None else ["--core", str(core)]
    measured: dict[str, Any] = json.loads(subprocess.check_output(command, cwd=PROJECT, env=_environment()))
    return measured


def best(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the run with the most answers."""
    return max(runs, key=lambda run: float(run["per_s"]))


def print_row(name: str, run: dict[str, Any]) -> None:
    """Print a run."""
    statuses = ",".join(f"{status}:{count}" for status, count in sorted(run["statuses"].items()))
    print(f"{name:44} {run['per_s']:8.1f}/s  p50 {run['p50_ms']:7.1f}  p99 {run['p99_ms']:7.1f} ms   {statuses}")


def compare_servers(requests: dict[str, Path], options: argparse.Namespace, bars: Bars) -> None:
    """Measure the real service against its ceiling, each run beside a ceiling of its own, and the obvious server."""
    one_core = {SERVER_CORE}
    real: dict[str, list[dict[str, Any]]] = {name: [] for name in requests}
    shares: dict[str, list[float]] = {name: [] for name in requests}
    ceilings_ms = []
    with Ceiling() as ceiling, running("real", cores=one_core) as server:
        idle_mb = server.worker_rss_mb()
        for _ in range(options.rounds):
            for name, request in requests.items():
                ceilings_ms.append(ceiling.measure_ms())
                real[name].append(load(server, request, options.seconds))
                around_ms = (ceilings_ms[-1] + ceiling.measure_ms()) / 2
                shares[name].append(real[name][-1]["per_s"] * around_ms / 1000)
        lone = load(server, requests["nested"], options.seconds, connections=1)
    print(f"{'array to probabilities, one core':44} {1000 / min(ceilings_ms):8.1f}/s  {min(ceilings_ms):.2f} ms")
    for name, runs in real.items():
        print_row(f"this service, {name}", best(runs))
    print_row("this service, nested, 1 connection", lone)
    print(f"{'memory of an idle worker':44} {idle_mb:8.1f} MB")
    nested = best(real["nested"])
    bars.check("array to probabilities, ms", min(ceilings_ms), "<=", 3.0)
    bars.check("nested JSON, share of the ceiling", statistics.median(shares["nested"]), ">=", 0.70)
    bars.check("npy, share of the ceiling", statistics.median(shares["npy"]), ">=", 0.85)
    bars.check("p99 over p50, nested, 8 connections", nested["p99_ms"] / nested["p50_ms"], "<=", 2.5)
    bars.check("memory of an idle worker, MB", idle_mb, "<=", 220)
    with running("naive", cores=one_core) as server:
        naive = best([load(server, requests["nested"], options.seconds) for _ in range(options.rounds)])
    print_row("FastAPI + Pydantic lists + scikit-learn", naive)
    bars.check("times the obvious server", nested["per_s"] / naive["per_s"], ">=", 8)


def compare_ways(requests: dict[str, Path], options: argparse.Namespace, bars: Bars) -> None:
    """Measure what the way of a request costs, with a model of a millisecond and no history."""
    runs = {}
    for name in ("trivial", "bare"):
        with running(name, cores={SERVER_CORE}) as server:
            for body in ("nested", "raw"):
                runs[name, body] = best([load(server, requests[body], options.seconds) for _ in range(options.rounds)])
                print_row(
                    f"small model, {'this service' if name == 'trivial' else 'bare FastAPI'}, {body}", runs[name, body]
                )
    bars.check("small model, nested JSON a second", runs["trivial", "nested"]["per_s"], ">=", 550)
    bars.check("small model, raw float32 a second", runs["trivial", "raw"]["per_s"], ">=", 1000)


def compare_workers(requests: dict[str, Path], options: argparse.Namespace, bars: Bars) -> None:
    """Measure two workers on both cores against one, the client beside them."""
    rates = {}
    both = {SERVER_CORE, CLIENT_CORE}
    for workers in (1, 2):
        with running("real", cores=both, workers=workers) as server:
            runs = [
                load(server, requests["npy"], options.seconds, connections=2 * CONNECTIONS, core=None)
                for _ in range(options.rounds)
            ]
        rates[workers] = best(runs)["per_s"]
        print_row(f"{workers} worker{'s' * (workers > 1)}, both cores, npy", best(runs))
    bars.check("two workers over one", rates[2] / rates[1], ">=", 1.8)


def overload(requests: dict[str, Path], options: argparse.Namespace, bars: Bars) -> None:
    """Measure goodput, refusals and health with more callers than there is room for."""
    with running("real", cores={SERVER_CORE}) as server:
        peak = best([load(server, requests["npy"], options.seconds, connections=32) for _ in range(options.rounds)])
        probe = HealthProbe(server)
        with probe:
            run = load(
                server,
                requests["npy"],
                2 * options.seconds,
                connections=OVERLOAD_CONNECTIONS,
                rate_per_s=OVERLOAD * peak["per_s"],
            )
    goodput = run["statuses"].get("200", 0) / run["seconds"]
    print_row(f"{OVERLOAD} times as many as it can answer", run)
    print(f"{'refusals':44} p50 {run['refused_p50_ms']:.1f} ms, p99 {run['refused_p99_ms']:.1f} ms")
    print(f"{'health meanwhile':44} p99 {probe.p99_ms:.1f} ms, worst {probe.worst_ms:.1f} ms, {probe.count} asked")
    bars.check("overload: goodput over peak", goodput / peak["per_s"], ">=", 0.9)
    bars.check("overload: p99 of refusals, ms", run["refused_p99_ms"], "<=", 100)
    bars.check("overload: p99 of health, ms", probe.p99_ms, "<=", 100)


class HealthProbe:
    """Asks for the health of a server all the time."""

    def __init__(self, server: Running) -> None:
        self._server = server
        self._latencies_ms: list[float] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._stopped.wait(0.02):
            started_s = time.perf_counter()
            self._server.get("/health/live")
            self._latencies_ms.append(1000 * (time.perf_counter() - started_s))

    @property
    def count(self) -> int:
        """How often it asked."""
        return len(self._latencies_ms)

    @property
    def worst_ms(self) -> float:
        """Longest wait."""
        return max(self._latencies_ms)

    @property
    def p99_ms(self) -> float:
        """Wait that 99 of 100 stayed within."""
        return sorted(self._latencies_ms)[int(0.99 * len(self._latencies_ms))]


PARTS: Final = {"servers": compare_servers, "ways": compare_ways, "workers": compare_workers, "overload": overload}


def main() -> int:
    """Measure and print; the exit code is 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.serve")
    parser.add_argument("--seconds", type=float, default=5, help="of each run (default: 5)")
    parser.add_argument("--rounds", type=int, default=3, help="of each comparison (default: 3)")
    parser.add_argument("--only", choices=PARTS, help="one part of it")
    options = parser.parse_args()
    bars = Bars()
    with tempfile.TemporaryDirectory() as folder:
        requests = make_requests(Path(folder))
        for name, measure in PARTS.items():
            if options.only in (None, name):
                measure(requests, options, bars)
    return 0 if bars.print_all() else 1


if __name__ == "__main__":
    sys.exit(main())
