"""Bring a signal of any rate to 500 Hz."""

from fractions import Fraction
from typing import Final

import numpy as np
import scipy.signal

from app.ecg.record import SAMPLING_RATE_HZ, FloatArray

MAX_DENOMINATOR: Final = 1000


def to_standard_rate(leads: FloatArray, sampling_rate_hz: float) -> FloatArray:
    """Resample by a polyphase filter; the ends are continued by straight lines, so they do not ring.

    Parameters
    ----------
    leads
        (n_leads, n_samples).
    sampling_rate_hz
        Rate of `leads`; approximated by a fraction whose error is under a sample in a minute.
    """
    ratio = Fraction(SAMPLING_RATE_HZ / sampling_rate_hz).limit_denominator(MAX_DENOMINATOR)
    if ratio == 1:
        return leads
    resampled = scipy.signal.resample_poly(leads, ratio.numerator, ratio.denominator, axis=1, padtype="line")
    return np.ascontiguousarray(resampled, dtype=np.float32)
