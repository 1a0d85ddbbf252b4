"""Fixtures of the fault tests. Every installation they hand out must satisfy the invariants when its test is over."""

import asyncio
import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.figures import PrintFigure
from tests.faults.service import Installation, Service
from tests.fixtures.database import Postgres, unique_name
from tests.fixtures.ecg import encode, make_request, make_signal
from tests.fixtures.skipping import skip_or_fail

FAULTS_DIR = Path(__file__).parent
LONG_SCALE = 20
#: patterns that the bundled model tells apart, so that a row under another's name would be noticed
PATTERNS = ("N", "MS", "C", "H")
#: small caps, so that a body above them is cheap to send
CAPS = {"MAX_BODY_BYTES": "2000000", "MAX_BATCH_BODY_BYTES": "4000000"}
ADMIN_TOKEN = "an-administrator-for-the-fault-tests"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test here: they measure and kill, so nothing else should run beside them."""
    for item in items:
        if FAULTS_DIR in item.path.parents:
            item.add_marker(pytest.mark.faults)
            item.add_marker(pytest.mark.xdist_group("faults"))


@pytest.fixture(scope="session")
def scale(pytestconfig: pytest.Config) -> int:
    """How many times as long or as often as in every test run."""
    is_long = pytestconfig.getoption("--faults-long") or os.environ.get("FAULTS_LONG") == "1"
    return LONG_SCALE if is_long else 1


@pytest.fixture(scope="session", autouse=True)
def _linux() -> None:
    if platform.system() != "Linux":
        skip_or_fail("the fault tests need Linux: process groups, mounts and a preloaded library")


@pytest.fixture(scope="session")
def bodies() -> tuple[bytes, ...]:
    """Small but complete requests whose ECGs differ: 5 s at 100 Hz, so that many of them are cheap."""
    return tuple(
        encode(make_request(make_signal(seed, pattern=pattern)[:2500:5], sampling_rate_hz=100))
        for seed, pattern in enumerate(PATTERNS)
    )


@pytest.fixture
def installation(tmp_path: Path, sqlite_url: str) -> Iterator[Installation]:
    """An installation on a fresh SQLite file; nothing is started yet."""
    yield from _checked(Installation(tmp_path, sqlite_url))


@pytest.fixture
def any_installation(tmp_path: Path, database_url: str) -> Iterator[Installation]:
    """An installation on a fresh database, once of each kind."""
    yield from _checked(Installation(tmp_path, database_url))


def _checked(installation: Installation) -> Iterator[Installation]:
    try:
        yield installation
        installation.check()
    finally:
        installation.close()


@pytest.fixture(scope="module")
def _shared_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("shared")
    installation = Installation(folder, f"sqlite+aiosqlite:///{folder / 'history.db'}")
    installation.start(**CAPS, ADMIN_TOKEN=ADMIN_TOKEN)
    yield installation
    installation.close()


@pytest.fixture(scope="module")
def _shared_postgres(
    postgres: Postgres, migrated_postgres_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    name = unique_name()
    url = asyncio.run(postgres.create(name, template=migrated_postgres_template))
    installation = Installation(tmp_path_factory.mktemp("shared"), url)
    installation.start(**CAPS, ADMIN_TOKEN=ADMIN_TOKEN)
    yield installation
    installation.close()
    asyncio.run(postgres.drop(name))


@pytest.fixture
def service(_shared_sqlite: Installation) -> Iterator[Service]:
    """A service on SQLite that the tests of a module share, checked after each of them."""
    yield _shared_sqlite.services[-1]
    _shared_sqlite.check()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def any_service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """The same, once on each database."""
    installation: Installation = request.getfixturevalue(f"_shared_{request.param}")
    yield installation.services[-1]
    installation.check()


@pytest.fixture
def admin() -> dict[str, str]:
    """Header fields of an administrator whom no request can log out."""
    return {"Authorization": f"Bearer {ADMIN_TOKEN}"}


@pytest.fixture
def print_figure(record_property: Callable[[str, object], None]) -> PrintFigure:
    """Report a figure that was measured."""

    def report(**figures: object) -> None:
        for name, value in figures.items():
            record_property(name, value)
            print(f"{name} = {value}")  # noqa: T201

    return report
