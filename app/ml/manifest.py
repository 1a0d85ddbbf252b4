"""What stands beside a model: its fingerprint, its contract, and what is known about its answers."""

import json
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.ml.errors import ManifestError

MANIFEST_FORMAT: Final = 1
"""Raised by one whenever an older reader would misread a newer manifest; readers refuse any other number."""

Probability = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Estimate(_Part):
    """A number with its 95 % bootstrap interval (patients resampled, not records)."""

    value: float
    low: float
    high: float


class ClassMetrics(_Part):
    """How well one superclass is recognised."""

    positives: int
    auc: Estimate
    average_precision: float
    threshold: Probability
    recall: Estimate
    specificity: float
    precision: float
    f1: float
    brier: float
    ece: float


class GroupMetrics(_Part):
    """The same for a part of the people; None where a class has too few records for a number."""

    group: str
    records: int
    macro_auc: float | None
    recall: dict[str, float | None]
    ece: float


class Metrics(_Part):
    """Figures over one set of records, every record counted once."""

    protocol: str
    folds: list[int]
    records: int
    patients: int
    macro_auc: Estimate
    macro_f1: float
    macro_ece: float
    exact_set_accuracy: float
    classes: dict[str, ClassMetrics]
    groups: list[GroupMetrics]


class TrainingData(_Part):
    """What the model has seen."""

    name: str
    source: str
    licence: str
    synthetic: bool
    records: int
    patients: int
    excluded_without_superclass: int
    excluded_unusable: int
    positives: dict[str, int]
    folds: list[int]
    records_sha256: str


class SignalContract(_Part):
    """What the model expects to be given."""

    leads: list[str]
    sampling_rate_hz: float
    n_samples: int
    units: str


class SelfTest(_Part):
    """A generated ECG and what the model answered when it was made."""

    seed: int
    pattern: str
    probabilities: list[Probability]


class Manifest(_Part):
    """The whole of `model.json`."""

    format: Literal[1]
    model_version: str
    created: datetime
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size_bytes: Annotated[int, Field(gt=0)]
    python: str
    libraries: dict[str, str]
    signal: SignalContract
    n_features: int
    features_sha256: str
    members: dict[str, str]
    classes: list[str]
    thresholds: dict[str, Probability]
    calibration: str
    training: TrainingData
    metrics: Metrics | None
    self_test: SelfTest


def parse_manifest(data: bytes) -> Manifest:
    """Read `model.json`.

    Raises
    ------
    ManifestError
        If the bytes are not a manifest of this format. Says where, not what stood there.
    """
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise ManifestError(f"the manifest is not valid: {where}: {first['msg']}") from None


def render_manifest(manifest: Manifest) -> bytes:
    """Write a manifest as people read it: indented, keys in the order of the class, newline at the end."""
    return (json.dumps(manifest.model_dump(mode="json"), indent=2) + "\n").encode()
