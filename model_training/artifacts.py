"""Write a trained ensemble where the service finds it: `model.pkl` and its manifest `model.json`."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from app.core.constants import SUPERCLASSES
from app.ml import artifact
from app.ml.classifier import Classifier
from app.ml.compiled import CompiledModel
from app.ml.errors import ArtifactError
from app.ml.manifest import MANIFEST_FORMAT, Manifest, SelfTest, TrainingData, parse_manifest, render_manifest
from app.ml.unpickling import dumps, loads
from model_training.learning import Trained
from model_training.recipes import Recipe
from model_training.settling import settle
from model_training.sources import Source
from model_training.training_set import TrainingSet

ARTIFACTS_DIR: Final = Path(__file__).resolve().parent.parent / "app" / "ml_artifacts"
MODEL_FILE: Final = "model.pkl"
SYNTHETIC_DIR: Final = "synthetic"
MAX_COMMITTED_BYTES: Final = 12 * 1024 * 1024


class WouldOverwriteError(Exception):
    """A model trained on generated ECGs would replace one trained on people's."""


def refuse_to_overwrite_real(path: Path, source: Source) -> None:
    """Refuse where a model of generated ECGs would take the place of any other.

    Raises
    ------
    WouldOverwriteError
        If `path` holds a model whose manifest does not say that it is synthetic.
    """
    if not source.synthetic or not path.exists():
        return
    try:
        kept = parse_manifest(path.with_suffix(".json").read_bytes())
    except (ArtifactError, OSError):
        kept = None
    if kept is None or not kept.training.synthetic:
        raise WouldOverwriteError(
            f"{path} is not known to be a synthetic model: choose another --out, or say --force to replace it"
        )


def save(path: Path, trained: Trained, recipes: Sequence[Recipe], source: Source) -> Manifest:
    """Write the model and its manifest, each all or nothing, and load them back as the service will.

    Parameters
    ----------
    path : Path
        The model file; the manifest gets the suffix `.json`.
    """
    data = dumps(settle(trained.payload))
    manifest = _manifest(data, trained, recipes, source)
    manifest = manifest.model_copy(update={"self_test": artifact.run_self_test(_classifier(data, manifest))})
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, data)
    _replace(path.with_suffix(".json"), render_manifest(manifest))
    artifact.load(path)
    return manifest


def training_summary(data: TrainingSet, source: Source) -> TrainingData:
    """Say what a model was fitted on."""
    positives = data.labels.sum(axis=0)
    listing = [[example.record_id, sorted(example.labels)] for example in data.examples]
    return TrainingData(
        name=source.name,
        source=source.origin,
        licence=source.licence,
        synthetic=source.synthetic,
        records=len(data.examples),
        patients=int(np.unique(data.patients).size),
        excluded_without_superclass=data.n_unlabelled,
        excluded_unusable=data.n_unusable,
        positives={letter: int(count) for letter, count in zip(SUPERCLASSES, positives, strict=True)},
        folds=sorted({example.fold for example in data.examples}),
        records_sha256=hashlib.sha256(json.dumps(listing).encode()).hexdigest(),
    )


def _manifest(data: bytes, trained: Trained, recipes: Sequence[Recipe], source: Source) -> Manifest:
    created = datetime.now(UTC).replace(microsecond=0)
    sha256 = hashlib.sha256(data).hexdigest()
    return Manifest(
        format=MANIFEST_FORMAT,
        model_version=f"{created:%Y.%m.%d}-{sha256[:8]}" + ("-synthetic" if source.synthetic else ""),
        created=created,
        sha256=sha256,
        size_bytes=len(data),
        python=artifact.python_version(),
        libraries=artifact.installed_libraries(),
        signal=artifact.signal_contract(),
        n_features=trained.fitted_on.features.shape[1],
        features_sha256=artifact.feature_fingerprint(),
        members={recipe.name: recipe.describe() for recipe in recipes},
        classes=list(SUPERCLASSES),
        thresholds=dict(zip(SUPERCLASSES, trained.thresholds.tolist(), strict=True)),
        calibration="the members' mean log-odds through one sigmoid a class (Platt), fitted out of fold",
        training=training_summary(trained.fitted_on, source),
        metrics=trained.metrics,
        self_test=SelfTest(seed=artifact.SELF_TEST_SEED, pattern=artifact.SELF_TEST_PATTERN, probabilities=[]),
    )


def _classifier(data: bytes, manifest: Manifest) -> Classifier:
    return Classifier(CompiledModel.from_payload(loads(data)), manifest)


def _replace(path: Path, data: bytes) -> None:
    unfinished = path.with_name(path.name + ".tmp")
    unfinished.write_bytes(data)
    unfinished.replace(path)
