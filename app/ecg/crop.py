"""Pick the ten seconds of a longer recording that can be read best."""

from typing import Final

import numpy as np
import numpy.typing as npt

from app.ecg.record import N_SAMPLES, SAMPLING_RATE_HZ, FloatArray

STEP_SAMPLES: Final = SAMPLING_RATE_HZ // 2
TOLERANCE: Final = 1.05
STILL_COST: Final = 100


def best_start(leads: FloatArray) -> int:
    """Return the first sample of the quietest ten seconds; the earliest among those nearly as quiet.

    Each half second costs what makes it hard to read: a baseline away from the lead's usual level, jitter from
    sample to sample, and leads that do not move at all. Costs are relative to each lead's own level.

    Parameters
    ----------
    leads
        (12, n_samples) at 500 Hz, n_samples >= 5000.
    """
    n_leads, n_samples = leads.shape
    n_blocks = n_samples // STEP_SAMPLES
    blocks = leads[:, : n_blocks * STEP_SAMPLES].reshape(n_leads, n_blocks, STEP_SAMPLES)
    level = np.median(blocks, axis=2)
    wander = np.abs(level - np.median(level, axis=1, keepdims=True))
    jitter = np.abs(np.diff(blocks, n=2, axis=2)).mean(axis=2)
    still = np.ptp(blocks, axis=2) == 0
    cost = (_relative(wander) + _relative(jitter) + STILL_COST * still).sum(axis=0)
    window = N_SAMPLES // STEP_SAMPLES
    totals = np.convolve(cost, np.ones(window), mode="valid")
    return int(np.argmax(totals <= TOLERANCE * totals.min())) * STEP_SAMPLES


def _relative(cost: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    usual = np.median(cost, axis=1, keepdims=True)
    relative: npt.NDArray[np.floating] = cost / np.where(usual > 0, usual, np.inf)
    return relative
