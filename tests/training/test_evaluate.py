import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from app.ecg.record import ECGRecord
from app.ml import artifact
from model_training.evaluate import evaluate_model, main
from model_training.sources import DataError
from model_training.sources.synthetic import SyntheticECGs
from model_training.workers import Workers

QUIET = Workers(quiet=True)
PROJECT_DIR = Path(__file__).resolve().parent.parent.parent


def test_judges_the_folds_asked_for(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "figures.json"
    arguments = ["--data", "synthetic", "--model", str(tiny_model), "--folds", "9-10", "--out", str(out), "--quiet"]
    assert main(arguments) == 0
    figures = json.loads(out.read_text())
    assert figures["folds"] == [9, 10]
    assert figures["records"] == 120
    assert f"{figures['macro_auc']['value']:.4f}" in capsys.readouterr().out


def test_gives_the_answers_that_the_service_gives(tiny_model: Path) -> None:
    source = SyntheticECGs(24, seed=4)
    metrics = evaluate_model(tiny_model, source, None, QUIET)
    classifier = artifact.load(tiny_model)
    truth = np.array(["N" in example.labels for example in source.examples])
    said = np.array(
        [classifier.classify_record(source.record(index)).diagnosis.probabilities["N"] for index in range(24)]
    )
    assert metrics.classes["N"].brier == pytest.approx(np.mean((said - truth) ** 2))


def test_counts_the_unreadable(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = SyntheticECGs(24, seed=4)
    real_record = source.record
    flat = ECGRecord(signal=np.zeros((5000, 12), np.float32))
    monkeypatch.setattr(source, "record", lambda index: flat if index == 3 else real_record(index))
    metrics = evaluate_model(tiny_model, source, None, QUIET)
    assert metrics.records == 23
    assert "1 unreadable" in metrics.protocol


def test_says_when_the_model_knows_the_records(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SyntheticECGs, "synthetic", False)
    known = evaluate_model(tiny_model, SyntheticECGs(24, seed=4), frozenset({2}), QUIET)
    assert known.protocol.endswith("NOT A TEST: the model was trained on folds 2")


def test_refuses_folds_that_are_not_there(tiny_model: Path) -> None:
    with pytest.raises(DataError, match="folds"):
        evaluate_model(tiny_model, SyntheticECGs(24), frozenset({77}), QUIET)


def test_refuses_a_model_that_was_tampered_with(model_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model_copy.write_bytes(b"x")
    assert main(["--data", "synthetic", "--model", str(model_copy), "--quiet"]) == 2
    assert "manifest" in capsys.readouterr().err


@pytest.mark.parametrize("folds", ["x", "1-", "3--4", ""])
def test_refuses_folds_it_cannot_read(folds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--data", "synthetic", "--folds", folds])
    assert "1-8, 10 or 1,3,5-7" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["model_training/evaluate.py"], ["-m", "model_training.evaluate"]])
def test_starts_both_ways(command: list[str], tmp_path: Path) -> None:
    arguments = ["--data", str(tmp_path / "nowhere")]
    done = subprocess.run(
        [sys.executable, *command, *arguments], cwd=PROJECT_DIR, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "there is no folder" in done.stderr
