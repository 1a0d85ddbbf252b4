"""One prepared ECG in, one diagnosis with its measurements out."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from app.core.constants import CLASS_DESCRIPTIONS, CLASS_NAMES, SUPERCLASSES
from app.ecg.analysis import analyse
from app.ecg.features import extract
from app.ecg.measurements import Measurements
from app.ecg.notices import Notice
from app.ecg.pipeline import PreparedECG, prepare
from app.ecg.record import ECGRecord
from app.ml.compiled import CompiledModel
from app.ml.decision import decide
from app.ml.manifest import Manifest


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """What the model says.

    Attributes
    ----------
    probabilities
        Calibrated, by letter, in the order N, S, M, C, H.
    class_index, class_name, class_description
        The named set of superclasses that the thresholds make of them.
    """

    probabilities: Mapping[str, float]
    class_index: int
    class_name: str
    class_description: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Classification:
    """A diagnosis, the measurements it rests on, and what each phase cost.

    Attributes
    ----------
    timing_ms
        Wall time by phase: `features` and `model`, and `prepare` where the caller left that to the classifier.
    notices
        Findings that only the measurements show; those of the signal are in the prepared ECG.
    """

    diagnosis: Diagnosis
    measurements: Measurements
    timing_ms: Mapping[str, float]
    notices: tuple[Notice, ...] = ()


class Classifier:
    """A loaded model. Immutable, so threads may share it."""

    def __init__(self, model: CompiledModel, manifest: Manifest) -> None:
        self._model = model
        self.manifest = manifest

    @property
    def version(self) -> str:
        """Name of the model for answers and for the history."""
        return self.manifest.model_version

    def classify(self, prepared: PreparedECG) -> Classification:
        """Measure and classify an ECG.

        Raises
        ------
        UnusableECG
            If no heartbeats can be read from it.
        """
        started = time.perf_counter()
        analysis = analyse(prepared)
        features = extract(prepared, analysis)
        extracted = time.perf_counter()
        values = self._model.probabilities(features, prepared)
        probabilities = dict(zip(SUPERCLASSES, values.tolist(), strict=True))
        class_index = decide(probabilities, self.manifest.thresholds)
        answered = time.perf_counter()
        return Classification(
            diagnosis=Diagnosis(
                probabilities=probabilities,
                class_index=class_index,
                class_name=CLASS_NAMES[class_index],
                class_description=CLASS_DESCRIPTIONS[class_index],
            ),
            measurements=analysis.measurements,
            timing_ms={"features": 1000 * (extracted - started), "model": 1000 * (answered - extracted)},
            notices=analysis.notices,
        )

    def classify_record(self, record: ECGRecord) -> Classification:
        """Prepare, measure and classify an ECG as received.

        Raises
        ------
        InvalidECG
            If the record breaks the signal contract.
        UnusableECG
            If no heartbeats can be read from it.
        """
        started = time.perf_counter()
        prepared = prepare(record)
        prepare_ms = 1000 * (time.perf_counter() - started)
        result = self.classify(prepared)
        return Classification(
            diagnosis=result.diagnosis,
            measurements=result.measurements,
            timing_ms={"prepare": prepare_ms, **result.timing_ms},
            notices=result.notices,
        )
