"""Changes to a waveform that leave its diagnosis alone."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.ml.net import NET_RATE_HZ

FloatArray = NDArray[np.float32]

GAIN_SPREAD: Final = 0.1
MAX_NOISE: Final = 0.1
MAX_WANDER: Final = 0.1
WANDER_HZ: Final = (0.1, 0.6)
LOST_LEAD_SHARE: Final = 0.05


def excerpts(waveforms: FloatArray, length: int, rng: np.random.Generator) -> FloatArray:
    """Cut one random excerpt out of every waveform: (n, n_steps, 12) to (n, length, 12)."""
    starts = rng.integers(0, waveforms.shape[1] - length + 1, size=len(waveforms))
    cut: FloatArray = waveforms[np.arange(len(waveforms))[:, None], starts[:, None] + np.arange(length)]
    return cut


def disturb(waveforms: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Vary the gain of every lead, add noise and baseline wander, and lose a lead now and then."""
    n, n_steps, n_leads = waveforms.shape
    gains = np.exp(GAIN_SPREAD * rng.standard_normal((n, 1, n_leads), dtype=np.float32))
    noise = MAX_NOISE * rng.random((n, 1, 1), dtype=np.float32)
    low_hz, high_hz = WANDER_HZ
    wander_hz = low_hz + (high_hz - low_hz) * rng.random((n, 1, n_leads), dtype=np.float32)
    phase = 2 * np.pi * rng.random((n, 1, n_leads), dtype=np.float32)
    depth = MAX_WANDER * rng.random((n, 1, n_leads), dtype=np.float32)
    seconds = np.arange(n_steps, dtype=np.float32)[:, None] / NET_RATE_HZ
    disturbed: FloatArray = waveforms * gains + noise * rng.standard_normal(waveforms.shape, dtype=np.float32)
    disturbed += depth * np.sin(2 * np.pi * wander_hz * seconds + phase, dtype=np.float32)
    disturbed *= rng.random((n, 1, n_leads)) >= LOST_LEAD_SHARE
    return disturbed
