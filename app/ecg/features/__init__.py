"""The numbers a classifier sees: relative, named, float32, NaN where missing.

Everything is relative to the QRS, because absolute voltages are lost in normalised recordings; nothing tells whether a
recording had been filtered before.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from app.ecg.analysis import Analysis
from app.ecg.features import atrial, frontal, person, qrs, relations, repolarisation, rhythm
from app.ecg.features.view import View
from app.ecg.pipeline import PreparedECG
from app.ecg.record import FloatArray

_GROUPS: Final[tuple[tuple[tuple[str, ...], Callable[[View], FloatArray]], ...]] = (
    (rhythm.NAMES, rhythm.compute),
    (qrs.NAMES, qrs.compute),
    (repolarisation.NAMES, repolarisation.compute),
    (atrial.NAMES, atrial.compute),
    (frontal.NAMES, frontal.compute),
    (relations.NAMES, relations.compute),
    (person.NAMES, person.compute),
)

FEATURE_NAMES: Final[tuple[str, ...]] = tuple(name for names, _ in _GROUPS for name in names)


def extract(prepared: PreparedECG, analysis: Analysis) -> FloatArray:
    """Return the features of one ECG: (len(FEATURE_NAMES),) float32, NaN where missing, never infinite."""
    view = View.of(prepared, analysis)
    with np.errstate(divide="ignore", invalid="ignore"):  # a ratio over nothing is a missing value
        values = np.concatenate([compute(view) for _, compute in _GROUPS])
    values[~np.isfinite(values)] = np.nan
    return values


__all__ = ["FEATURE_NAMES", "extract"]
