"""The committed model is the one its manifest and its card describe."""

import hashlib
from pathlib import Path

import pytest

from app.core.constants import SUPERCLASSES
from app.ml import artifact
from app.ml.manifest import Manifest, parse_manifest

PROJECT_DIR = Path(__file__).resolve().parent.parent.parent
MODEL = PROJECT_DIR / "app" / "ml_artifacts" / "model.pkl"
CARD = PROJECT_DIR / "model_training" / "card"
MAX_MODEL_BYTES = 12 * 1024 * 1024


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return parse_manifest(MODEL.with_suffix(".json").read_bytes())


def test_the_manifest_is_of_this_file(manifest: Manifest) -> None:
    data = MODEL.read_bytes()
    assert (manifest.size_bytes, manifest.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_the_file_is_at_most_12_mb() -> None:
    assert MODEL.stat().st_size <= MAX_MODEL_BYTES


def test_the_service_takes_it(manifest: Manifest) -> None:
    assert artifact.load(MODEL).version == manifest.model_version


def test_it_was_trained_on_people(manifest: Manifest) -> None:
    assert not manifest.training.synthetic


def test_its_figures_are_there_for_every_class(manifest: Manifest) -> None:
    assert manifest.metrics is not None
    assert list(manifest.metrics.classes) == list(SUPERCLASSES)
    for one in manifest.metrics.classes.values():
        assert one.auc.low < one.auc.value < one.auc.high
        assert one.recall.low < one.recall.value < one.recall.high


def test_it_keeps_the_bar(manifest: Manifest) -> None:
    """Out of fold, by record, pooled; hypertrophy is the weakest class, most voltages being unknown."""
    assert manifest.metrics is not None
    assert manifest.metrics.macro_auc.value >= 0.943
    assert min(one.auc.value for one in manifest.metrics.classes.values()) >= 0.905


def test_thresholds_are_the_manifests(manifest: Manifest) -> None:
    assert list(manifest.thresholds) == list(SUPERCLASSES)
    assert all(0 < threshold < 1 for threshold in manifest.thresholds.values())


def test_the_card_is_of_this_model(manifest: Manifest) -> None:
    card = (CARD / "README.md").read_text(encoding="utf-8")
    assert manifest.sha256 in card
    assert "Not a medical device" in card
    for plot in ("roc.png", "calibration.png", "cooccurrence.png"):
        assert plot in card
        assert (CARD / plot).stat().st_size > 1000
