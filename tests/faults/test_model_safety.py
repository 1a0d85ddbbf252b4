"""A model file that is not what it should be (the catalogue's 78): refused before it is unpickled."""

import hashlib
import json
import lzma
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.faults.load import JSON
from tests.faults.service import Installation
from tests.faults.wire import call
from tests.fixtures.server import PROJECT_DIR, environment, free_port

MODEL = PROJECT_DIR / "app" / "ml_artifacts" / "model.pkl"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the bundled model to spoil."""
    folder = tmp_path / "model"
    folder.mkdir()
    for file in (MODEL, MODEL.with_suffix(".json")):
        shutil.copy(file, folder / file.name)
    return folder / MODEL.name


class Payload:
    """What an attacker would like to be unpickled."""

    def __init__(self, trace: Path) -> None:
        self._command = f"touch {trace}"

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self._command,)


def flip_a_byte(model: Path) -> None:
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)


def link(model: Path) -> None:
    model.unlink()
    model.symlink_to(MODEL)


def cut_short(model: Path) -> None:
    model.write_bytes(model.read_bytes()[:-1])


def forget_the_manifest(model: Path) -> None:
    model.with_suffix(".json").unlink()


def hide_a_command(model: Path) -> None:
    """The manifest is forged as well: only the vocabulary of the unpickling stands in the way."""
    content = lzma.compress(pickle.dumps(Payload(model.with_name("pwned"))))
    model.write_bytes(content)
    manifest = model.with_suffix(".json")
    claims = json.loads(manifest.read_text())
    claims |= {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
    manifest.write_text(json.dumps(claims))


@pytest.mark.parametrize(
    ("spoil", "workers"),
    [
        (flip_a_byte, "1"),
        (link, "1"),
        (cut_short, "1"),
        (forget_the_manifest, "1"),
        (hide_a_command, "1"),
        (hide_a_command, "2"),
    ],
)
def test_the_service_refuses_to_start_with(
    model: Path, tmp_path: Path, spoil: Callable[[Path], None], workers: str
) -> None:
    spoil(model)
    database = f"sqlite+aiosqlite:///{tmp_path / 'history.db'}"
    settings = {"MODEL_PATH": str(model), "DATABASE_URL": database, "PORT": str(free_port()), "WORKERS": workers}
    outcome = subprocess.run(
        [sys.executable, "-m", "app.main"],
        check=False,
        cwd=PROJECT_DIR,
        env=environment(HOST="127.0.0.1", **settings),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert outcome.returncode == 1
    refusals = [line for line in outcome.stderr.splitlines() if line.startswith("refusing to start: MODEL_PATH: ")]
    assert len(refusals) == 1
    assert "Traceback" not in outcome.stderr
    assert not model.with_name("pwned").exists()


def test_a_file_that_is_changed_under_a_running_service_changes_no_answer(
    installation: Installation, model: Path, bodies: Sequence[bytes]
) -> None:
    service = installation.start(MODEL_PATH=str(model))

    def answers() -> list[bytes]:
        return [call(service.port, "POST", "/api/v1/forward", body, JSON).body for body in bodies]

    before = answers()
    hide_a_command(model)
    assert answers() == before
    assert not model.with_name("pwned").exists()
    installation.configure(MODEL_PATH=str(MODEL))
