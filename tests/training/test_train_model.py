import json
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest

from app.ecg.synthetic import synthesize
from app.ml import artifact
from app.ml.classifier import Classifier
from app.ml.manifest import parse_manifest
from app.ml.unpickling import ALLOWED
from model_training import train_model
from model_training.extraction import extract_all
from model_training.learning import train
from model_training.recipes import Boosting, ExtraTrees
from model_training.sources.base import Protocol
from model_training.sources.packed import PackedPTBXL
from model_training.sources.synthetic import SyntheticECGs
from model_training.workers import Workers
from tests.fixtures.ptbxl import packed_rows, write_packed_folder, write_wfdb_folder
from tests.fixtures.tiny_model import QUICK, TINY, train_tiny

PROJECT_DIR = Path(__file__).resolve().parent.parent.parent
TREES = ("--trees", "12", "--rounds", "6")
TINY_RECIPES = (ExtraTrees(n_trees=8), Boosting(n_rounds=4))


def _manifest(model: Path) -> dict[str, object]:
    manifest: dict[str, object] = json.loads(model.with_suffix(".json").read_text())
    return manifest


def _wiggle(model: Path) -> dict[str, object]:
    """What must be equal between two trainings: everything but the time."""
    manifest = _manifest(model)
    del manifest["created"], manifest["model_version"]
    return manifest


class TestSameSeedSameModel:
    def test_to_the_bit(self, tiny_model: Path, tmp_path: Path) -> None:
        again = train_tiny(tmp_path)
        assert again.read_bytes() == tiny_model.read_bytes()
        assert _wiggle(again) == _wiggle(tiny_model)

    def test_whatever_the_number_of_processes(self, tiny_model: Path, tmp_path: Path) -> None:
        assert train_tiny(tmp_path, "--jobs", "2").read_bytes() == tiny_model.read_bytes()

    def test_another_seed_another_model(self, tiny_model: Path, tmp_path: Path) -> None:
        assert train_tiny(tmp_path, "--seed", "1").read_bytes() != tiny_model.read_bytes()


@pytest.mark.slow
def test_a_cluster_of_two_processes_makes_the_same_model(tiny_model: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    )
    with cluster:
        model = train_tiny(tmp_path, "--scheduler", cluster.scheduler_address)
    assert model.read_bytes() == tiny_model.read_bytes()


class TestWhatIsWritten:
    def test_the_service_can_load_it(self, tiny_model: Path) -> None:
        assert isinstance(artifact.load(tiny_model), Classifier)

    def test_anybody_with_joblib_can_read_it(self, tiny_model: Path) -> None:
        payload = joblib.load(tiny_model)
        assert list(payload["members"]) == ["extra_trees", "boosting", "statements"]
        assert payload["coefficients"].shape == (3, 5)

    def test_the_manifest_has_figures_for_every_class_and_group(self, tiny_model: Path) -> None:
        metrics = parse_manifest(tiny_model.with_suffix(".json").read_bytes()).metrics
        assert metrics is not None
        assert list(metrics.classes) == ["N", "S", "M", "C", "H"]
        assert {"female", "male"} < {group.group for group in metrics.groups}
        assert metrics.macro_auc.low <= metrics.macro_auc.value <= metrics.macro_auc.high
        assert metrics.records == 48

    def test_generated_ecgs_are_told_apart_by_what_was_learned(self, tiny_model: Path) -> None:
        metrics = parse_manifest(tiny_model.with_suffix(".json").read_bytes()).metrics
        assert metrics is not None
        assert metrics.macro_auc.value > 0.85

    def test_the_card_says_what_it_must(self, tmp_path: Path) -> None:
        pytest.importorskip("matplotlib")
        options = [option for option in QUICK if option != "--no-card"]
        assert train_model.main([*TINY, *options, "--out", str(tmp_path)]) == 0
        card = (tmp_path / "card" / "README.md").read_text()
        assert "Not a medical device" in card
        assert "trained on generated signals" in card
        assert str(_manifest(tmp_path / "model.pkl")["sha256"]) in card
        plots = {path.name for path in (tmp_path / "card").glob("*.png")}
        assert plots == {"roc.png", "calibration.png", "cooccurrence.png"}

    def test_the_allow_list_holds_nothing_that_runs_commands(self) -> None:
        modules = {module.partition(".")[0] for module, _ in ALLOWED}
        assert modules == {"joblib", "numpy", "sklearn"}


class TestOverwriting:
    def test_a_synthetic_model_does_not_replace_a_real_one(
        self, model_copy: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        manifest = _manifest(model_copy)
        manifest["training"] = {**dict(manifest["training"]), "synthetic": False}  # type: ignore[call-overload]
        model_copy.with_suffix(".json").write_text(json.dumps(manifest))
        before = model_copy.read_bytes()
        assert train_model.main([*TINY, *QUICK, "--seed", "5", "--out", str(model_copy.parent)]) == 2
        assert "--force" in capsys.readouterr().err
        assert model_copy.read_bytes() == before

    def test_nor_one_without_a_manifest(self, model_copy: Path) -> None:
        model_copy.with_suffix(".json").unlink()
        assert train_model.main([*TINY, *QUICK, "--out", str(model_copy.parent)]) == 2

    def test_unless_forced(self, model_copy: Path) -> None:
        model_copy.with_suffix(".json").unlink()
        assert train_model.main([*TINY, *QUICK, "--force", "--out", str(model_copy.parent)]) == 0

    def test_it_may_replace_another_synthetic_one(self, model_copy: Path) -> None:
        assert train_model.main([*TINY, *QUICK, "--seed", "5", "--out", str(model_copy.parent)]) == 0


class TestData:
    def test_without_data_it_trains_on_generated_ecgs_in_a_folder_of_their_own(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(train_model, "DEFAULT_DATA", train_model.PROJECT_DIR / "datasets" / "surely-not-there")
        monkeypatch.setattr(train_model, "ARTIFACTS_DIR", tmp_path)
        assert train_model.main([*TREES, *QUICK, "--synthetic-records", "48"]) == 0
        assert "knows nothing about people" in capsys.readouterr().err
        assert (tmp_path / "synthetic" / "model.pkl").is_file()
        assert not (tmp_path / "model.pkl").exists()

    def test_a_folder_that_is_not_there_is_said_so(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert train_model.main(["--data", str(tmp_path / "nowhere")]) == 2
        assert "there is no folder" in capsys.readouterr().err

    def test_learns_from_the_published_layout_by_the_official_split(self, tmp_path: Path) -> None:
        pytest.importorskip("wfdb")
        data = write_wfdb_folder(tmp_path / "data", 100)
        assert train_model.main(["--data", str(data), *TREES, *QUICK, "--out", str(tmp_path)]) == 0
        manifest = parse_manifest((tmp_path / "model.json").read_bytes())
        assert manifest.training.folds == [1, 2, 3, 4, 5, 6, 7, 8]
        assert manifest.metrics is not None
        assert manifest.metrics.folds == [10]
        assert not manifest.training.synthetic

    def test_learns_from_the_packed_layout_leaving_out_one_fold_at_a_time(self, tmp_path: Path) -> None:
        data = _packed(tmp_path / "data", 60)
        assert train_model.main(["--data", str(data), *TREES, *QUICK, "--out", str(tmp_path)]) == 0
        manifest = parse_manifest((tmp_path / "model.json").read_bytes())
        assert manifest.training.folds == [1, 2, 3]
        assert manifest.training.excluded_without_superclass == 0
        assert manifest.metrics is not None
        assert manifest.metrics.records == 60

    def test_records_without_a_superclass_take_no_part(self, tmp_path: Path) -> None:
        rows = packed_rows(30)
        rows[4].update(HYP=0)
        data = _packed(tmp_path, 30, rows)
        learned = extract_all(PackedPTBXL(data), Workers(quiet=True), None, with_waveforms=False)
        assert (len(learned.examples), learned.n_unlabelled) == (29, 1)

    def test_only_the_folds_asked_for(self, tmp_path: Path) -> None:
        assert train_model.main([*TINY, *QUICK, "--folds", "1-3", "--out", str(tmp_path)]) == 0
        assert parse_manifest((tmp_path / "model.json").read_bytes()).training.folds == [1, 2, 3]

    def test_too_few_folds_are_refused(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert train_model.main([*TINY, *QUICK, "--folds", "1-2", "--out", str(tmp_path)]) == 2
        assert "at least three folds" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", [["model_training/train_model.py"], ["-m", "model_training.train_model"]], ids=["script", "module"]
)
def test_starts_both_ways(command: list[str], tmp_path: Path) -> None:
    arguments = ["--data", str(tmp_path / "nowhere")]
    done = subprocess.run(
        [sys.executable, *command, *arguments], cwd=PROJECT_DIR, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no folder" in done.stderr


def test_a_training_that_was_broken_off_goes_on_where_it_was(tmp_path: Path) -> None:
    data = extract_all(SyntheticECGs(48), Workers(quiet=True), None, with_waveforms=False)
    first = train(data, TINY_RECIPES, Protocol.CROSS_VALIDATION, 0, Workers(quiet=True), cache_dir=tmp_path)
    kept = sorted(tmp_path.rglob("*.npy"))
    assert len(kept) == 4 * len(TINY_RECIPES)  # 48 records lie in four folds
    kept[0].unlink()
    times = {path: path.stat().st_mtime_ns for path in kept[1:]}
    second = train(data, TINY_RECIPES, Protocol.CROSS_VALIDATION, 0, Workers(quiet=True), cache_dir=tmp_path)
    np.testing.assert_array_equal(first.unseen.logits, second.unseen.logits)
    assert {path: path.stat().st_mtime_ns for path in kept[1:]} == times


def _packed(folder: Path, n_records: int, rows: list[dict[str, object]] | None = None) -> Path:
    counts = [
        np.round(1000 * synthesize(index, pattern="NSMCH"[index % 5]).signal).astype(np.int16)
        for index in range(n_records)
    ]
    return write_packed_folder(folder, rows or packed_rows(n_records), {"raw": np.stack(counts)})
