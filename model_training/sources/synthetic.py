"""Generated ECGs, for machines without data: they prove that training works, not that a model is any good."""

from collections.abc import Sequence
from typing import ClassVar, Final

import numpy as np

from app.ecg.record import ECGRecord, Patient
from app.ecg.synthetic import synthesize
from model_training.sources.base import Example, Source

DEFAULT_RECORDS: Final = 600
N_FOLDS: Final = 10
_COMBINATIONS: Final = ("N", "N", "N", "S", "M", "C", "H", "MS", "CS", "MC", "HS", "HC")


class SyntheticECGs(Source):
    """Seeded ECGs with the generator's patterns as labels.

    Parameters
    ----------
    n_records : int
        How many to make.
    seed : int
        Of everything random.
    """

    name: ClassVar[str] = "synthetic"
    origin: ClassVar[str] = "app.ecg.synthetic, a generator: no recording of a person"
    licence: ClassVar[str] = "MIT"
    synthetic: ClassVar[bool] = True

    def __init__(self, n_records: int = DEFAULT_RECORDS, seed: int = 0) -> None:
        self._seed = seed
        rng = np.random.default_rng(seed)
        self._examples = [self._example(index, rng) for index in range(n_records)]
        self._rates_bpm = rng.uniform(50, 110, n_records)
        self._noise_uv = rng.uniform(2, 25, n_records)

    @staticmethod
    def _example(index: int, rng: np.random.Generator) -> Example:
        letters = _COMBINATIONS[index % len(_COMBINATIONS)]
        return Example(
            record_id=index + 1,
            patient_id=index + 1,
            fold=1 + (index // len(_COMBINATIONS)) % N_FOLDS,
            labels=frozenset(letters),
            codes=frozenset(letters),
            patient=Patient(
                age_years=float(rng.integers(20, 90)),
                sex=int(rng.integers(2)),
                height_cm=float(rng.integers(150, 195)) if rng.random() < 0.5 else None,
                weight_kg=float(rng.integers(50, 110)) if rng.random() < 0.5 else None,
            ),
        )

    @property
    def examples(self) -> Sequence[Example]:
        """All records; twelve combinations of patterns take turns, and so do ten folds."""
        return self._examples

    def record(self, index: int) -> ECGRecord:
        """Generate one ECG."""
        example = self._examples[index]
        return synthesize(
            self._seed * 1_000_003 + example.record_id,
            heart_rate_bpm=float(self._rates_bpm[index]),
            noise_uv=float(self._noise_uv[index]),
            pattern=sorted(example.labels),
            variety=0.3,
            patient=example.patient,
        )
