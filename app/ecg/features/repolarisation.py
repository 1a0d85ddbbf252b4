"""Each lead's ST segment and T wave."""

from typing import Final

import numpy as np

from app.ecg.features.view import MS, View
from app.ecg.record import LEADS, FloatArray

_AFTER_J_MS: Final = (0, 40, 60, 80)
_SHARES: Final = (0.2, 0.35, 0.5, 0.65, 0.8, 0.92)  # of the way from J to the end of T
_KINDS: Final = (
    *(f"st_j{ms}_rel" for ms in _AFTER_J_MS),
    "st_slope_rel",
    *(f"st_t_{round(100 * share)}pc_rel" for share in _SHARES),
    "t_max_rel",
    "t_min_rel",
    "t_mean_rel",
    "t_asymmetry",
    "t_peak_ms",
    "t_to_qrs_area",
)

NAMES: Final = tuple(f"{lead}_{kind}" for kind in _KINDS for lead in LEADS)


def compute(view: View) -> FloatArray:
    """Return the values of `NAMES`."""
    j_ms = view.analysis.fiducials.qrs_offset_ms
    span_ms = (view.t_end - view.offset) * MS
    times = np.array([*(j_ms + after_ms for after_ms in _AFTER_J_MS), *(j_ms + span_ms * share for share in _SHARES)])
    values = view.at(times).T
    st, shape = values[: len(_AFTER_J_MS)], values[len(_AFTER_J_MS) :]
    t = view.t
    magnitude = np.abs(t)
    total = magnitude.sum(axis=1)
    columns = np.arange(t.shape[1])
    t_area = t.sum(axis=1)
    return np.concatenate(
        [
            st.ravel(),
            st[-1] - st[0],
            shape.ravel(),
            t.max(axis=1),
            t.min(axis=1),
            t_area / t.shape[1],
            magnitude @ columns / (total * t.shape[1]),
            (magnitude.argmax(axis=1) + view.t_start - view.offset) * MS,
            t_area / view.qrs_abs_area,
        ],
        dtype=np.float32,
    )
