"""The heart's vector in the frontal plane: the six limb leads share one scale, so angles and ratios are true."""

from typing import Final

import numpy as np

from app.ecg.features.view import MS, View
from app.ecg.measurements import GOLDBERGER
from app.ecg.record import LEADS, FloatArray

_I, _AVF = LEADS.index("I"), LEADS.index("aVF")
_N_20_MS, _N_40_MS, _N_80_MS = (round(ms / MS) for ms in (20, 40, 80))
_VECTORS: Final = ("qrs_first_20ms", "qrs_first_40ms", "qrs_largest", "qrs_last_40ms", "st", "t_largest")

NAMES: Final = (
    *(f"frontal_{vector}_{part}" for vector in _VECTORS for part in ("cos", "sin", "size_rel")),
    "frontal_qrs_rotation",
    "frontal_qrs_roundness",
    "frontal_t_rotation",
    "frontal_t_to_qrs",
)


def compute(view: View) -> FloatArray:
    """Return the values of `NAMES`."""
    plane = np.empty((2, view.beat.shape[1]), np.float32)
    plane[0] = view.beat[_I]
    np.multiply(view.beat[_AVF], np.float32(GOLDBERGER), out=plane[1])
    qrs, t = plane[:, view.onset : view.offset + 1], plane[:, view.t_start : view.t_end + 1]
    qrs_size, t_size = np.hypot(qrs[0], qrs[1]), np.hypot(t[0], t[1])
    qrs_largest, t_largest = qrs_size.argmax(), t_size.argmax()
    vectors = np.empty((len(_VECTORS), 3), np.float32)
    vectors[:, :2] = (
        _mean(qrs[:, :_N_20_MS]),
        _mean(qrs[:, :_N_40_MS]),
        qrs[:, qrs_largest],
        _mean(qrs[:, -_N_40_MS:]),
        _mean(plane[:, view.offset : view.offset + _N_80_MS]),
        t[:, t_largest],
    )
    sizes = np.hypot(vectors[:, 0], vectors[:, 1], out=vectors[:, 2])
    vectors[:, :2] /= np.where(sizes > 0, sizes, np.float32(np.inf))[:, None]
    qrs_area, t_area = _turning(qrs), _turning(t)
    path = np.hypot(qrs[0, 1:] - qrs[0, :-1], qrs[1, 1:] - qrs[1, :-1]).sum()
    qrs_reach, t_reach = qrs_size[qrs_largest], t_size[t_largest]
    loops = [
        qrs_area / np.square(qrs_reach) if qrs_reach > 0 else np.nan,
        abs(qrs_area) / float(np.square(path)) if path > 0 else np.nan,
        t_area / np.square(t_reach) if t_reach > 0 else np.nan,
        t_reach / qrs_reach if qrs_reach > 0 else np.nan,
    ]
    return np.concatenate([vectors.ravel(), loops], dtype=np.float32)


def _mean(part: FloatArray) -> FloatArray:
    mean: FloatArray = part.sum(axis=1) / part.shape[1]
    return mean


def _turning(loop: FloatArray) -> float:
    """Signed area of a loop, positive clockwise as seen from the front."""
    x, y = loop
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2)
