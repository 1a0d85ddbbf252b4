"""Einthoven's law: whether it holds, and if not, whether it holds up to a gain per lead.

A signal that was normalised lead by lead (z-scores) breaks the law, yet carries the ratios that were lost:
exactly one set of gains, up to a common factor, makes the six limb leads agree again.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from app.ecg.record import FloatArray

# Rows: I + III - II, aVR + (I + II)/2, aVL - (I - III)/2, aVF - (II + III)/2.
LAWS: Final[npt.NDArray[np.float32]] = np.array(
    [[1, -1, 1, 0, 0, 0], [0.5, 0.5, 0, 1, 0, 0], [-0.5, 0, 0.5, 0, 1, 0], [0, -0.5, -0.5, 0, 0, 1]],
    dtype=np.float32,
)
_COUPLING: Final = (LAWS.T @ LAWS).astype(np.float64)
MAX_RESIDUAL_SHARE: Final = 0.02
MIN_DETERMINACY: Final = 25.0
MIN_GAIN_SPREAD: Final = 1.05


def law_residual(limb: FloatArray) -> float:
    """Largest deviation from the laws, in the unit of `limb` (6, n_samples)."""
    residual = LAWS @ limb
    return float(max(residual.max(), -residual.min()))


def restoring_gains(limb: FloatArray) -> FloatArray | None:
    """Find the gain of each limb lead that makes all laws hold.

    The summed squared residual of the laws is a quadratic form in the gains, whose matrix is the leads' Gram
    matrix weighted by how the laws couple them; its null vector is the answer.

    Parameters
    ----------
    limb
        (6, n_samples), free of offsets.

    Returns
    -------
    (6,) gains with a geometric mean of one, or None where no such gains exist, where they are not
    determined (a flat lead, all leads alike), or where they are all the same.
    """
    gram = (limb @ limb.T).astype(np.float64)
    rms = np.sqrt(np.diag(gram))
    if not rms.min() > 0:
        return None
    values, vectors = np.linalg.eigh(_COUPLING * gram / np.outer(rms, rms))
    if values[0] > MAX_RESIDUAL_SHARE**2 or values[1] < MIN_DETERMINACY * max(values[0], 1e-9):
        return None
    gains = vectors[:, 0] / rms
    gains *= np.sign(gains[0])
    if gains.min() <= 0 or gains.max() < MIN_GAIN_SPREAD * gains.min():
        return None
    restoring: FloatArray = (gains / np.exp(np.log(gains).mean())).astype(np.float32)
    return restoring
