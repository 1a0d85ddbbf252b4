"""Rough heartbeats: the detector of sleepecg (after Pan and Tompkins) behind its own filter, whose constants are kept.

`sleepecg.detect_heartbeats` finds the filter's initial state anew in every call and checks what needs no check here,
which together cost more than finding the beats. Its two inner functions are called instead, as of the version that
`pyproject.toml` pins; a test holds the result against the public function. They are compiled, and loaded without the
package around them, which brings an HTTP client and an optimiser into every process, 7 MB that nothing here uses.
"""

from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Final

import numpy as np
import numpy.typing as npt
import scipy.signal


def _load_compiled_part() -> ModuleType:
    package = find_spec("sleepecg")  # finds it without running it
    part = package and PathFinder.find_spec("_heartbeat_detection", package.submodule_search_locations)
    if part is None or part.loader is None:
        raise ModuleNotFoundError("sleepecg")
    module = module_from_spec(part)
    part.loader.exec_module(module)
    return module


_COMPILED: Final = _load_compiled_part()
_integrate_squares = _COMPILED._squared_moving_integration  # noqa: SLF001 - see above
_find_beats = _COMPILED._thresholding  # noqa: SLF001 - see above
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
    integrated = _integrate_squares(np.correlate(filtered, _SLOPE, mode="same"), _INTEGRATED)
    beats: npt.NDArray[np.int64] = np.flatnonzero(_find_beats(filtered, integrated, RATE_HZ)) + start
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
