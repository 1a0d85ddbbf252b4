"""Rough heartbeats: the detector of sleepecg (after Pan and Tompkins) behind its own filter, whose constants are kept.

`sleepecg.detect_heartbeats` finds the filter's initial state anew in every call and checks what needs no check here,
which together cost more than finding the beats. Its two inner functions are called instead, as of the version that
`pyproject.toml` pins; a test holds the result against the public function.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import scipy.signal
from sleepecg._heartbeat_detection import _squared_moving_integration, _thresholding

RATE_HZ: Final = 250
_NUMERATOR, _DENOMINATOR = scipy.signal.butter(2, (5, 30), btype="bandpass", fs=RATE_HZ)
_STEADY: Final = scipy.signal.lfilter_zi(_NUMERATOR, _DENOMINATOR)  # state after an endless input of one
_REFLECTED: Final = 3 * len(_DENOMINATOR)  # samples, as in `scipy.signal.sosfiltfilt`
_SLOPE: Final = np.array([-1.0, -2.0, 0.0, 2.0, 1.0])
_INTEGRATED: Final = int(0.15 * RATE_HZ)  # samples

Signal = npt.NDArray[np.float64]


def rough_beats(activity: Signal) -> npt.NDArray[np.int64]:
    """Return the samples of activity, at `RATE_HZ`, at which the detector sees heartbeats.

    What lies before the first change says nothing, and would mislead the thresholds, which learn from the start.
    """
    changed = activity != activity[0]
    start = 0 if changed[1] else int(changed.argmax())
    lively = activity[start:]
    if not changed.any() or len(lively) <= _INTEGRATED:
        return np.zeros(0, np.int64)
    filtered = _band_pass(lively)
    integrated = _squared_moving_integration(np.correlate(filtered, _SLOPE, mode="same"), _INTEGRATED)
    beats: npt.NDArray[np.int64] = np.flatnonzero(_thresholding(filtered, integrated, RATE_HZ)) + start
    return beats


def _band_pass(signal: Signal) -> Signal:
    """Filter forwards and backwards, both ends continued by their odd reflection."""
    reach = _REFLECTED
    before = 2 * signal[0] - signal[reach:0:-1]
    after = 2 * signal[-1] - signal[-2 : -2 - reach : -1]
    there = _filter(np.concatenate([before, signal, after]))
    back = _filter(there[::-1])
    return np.ascontiguousarray(back[::-1][reach:-reach])


def _filter(signal: Signal) -> Signal:
    filtered: Signal = scipy.signal.lfilter(_NUMERATOR, _DENOMINATOR, signal, zi=_STEADY * signal[0])[0]
    return filtered
