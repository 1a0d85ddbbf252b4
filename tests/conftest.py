"""Fixtures every test may use, and the one rule about skipping."""

import os
from pathlib import Path

# Before anything imports OpenMP: its threads spin while they wait, and on a busy machine they wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import HealthCheck, settings

from tests.fixtures.skipping import skip_or_fail

pytest_plugins = [
    "tests.fixtures.app",
    "tests.fixtures.auth",
    "tests.fixtures.database",
    "tests.fixtures.ecg",
    "tests.fixtures.server",
    "tests.fixtures.tiny_model",
]

# How long an example takes is the machine's business: no test is timed.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the fault tests be run for as long as it takes to believe them."""
    parser.addoption("--faults-long", action="store_true", help="run the fault tests in their long form")


PROJECT_DIR = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Folder of real recordings; the licences keep them out of the project."""
    folder = Path(os.environ.get("ECG_SHARED_DIR", PROJECT_DIR.parent / "shared"))
    if not (folder / "data").is_dir():
        skip_or_fail("no folder of real recordings: set ECG_SHARED_DIR to one")
    return folder
