"""The API keeps what its own OpenAPI document says, whatever is sent (the catalogue's 22)."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.figures import PrintFigure
from tests.faults.service import Service

pytestmark = pytest.mark.heavy

MAX_TIME_S = 30
MAX_EXAMPLES = 30
SHOWN_CHARACTERS = 10_000
CONFIG = Path(__file__).with_name("schemathesis.toml")


def test_no_generated_request_breaks_the_document(
    any_service: Service, admin: dict[str, str], scale: int, tmp_path: Path, print_figure: PrintFigure
) -> None:
    seed = random.randrange(2**32)
    print_figure(seed=seed)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG)),
        *("run", f"{any_service.url}/openapi.json"),
        *("--phases", "examples,coverage,fuzzing"),
        *("--checks", "all"),
        *("--max-time", str(MAX_TIME_S * scale), "--max-examples", str(MAX_EXAMPLES * scale), "--seed", str(seed)),
        *("--header", f"Authorization: {admin['Authorization']}"),
        *("--generation-database", "none", "--no-color"),
    ]
    outcome = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    _, _, failures = outcome.stdout.partition("= FAILURES =")
    assert outcome.returncode == 0, failures[:SHOWN_CHARACTERS] or outcome.stdout + outcome.stderr
