"""The heart's vector in the frontal plane: the six limb leads share one scale, so angles and ratios are true."""

from typing import Final

import numpy as np

from app.ecg.features.view import MS, View
from app.ecg.measurements import GOLDBERGER
from app.ecg.record import LEADS, FloatArray

_I, _AVF = LEADS.index("I"), LEADS.index("aVF")
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
    left, down = view.beat[_I], view.beat[_AVF] * np.float32(GOLDBERGER)
    plane = np.stack([left, down])
    qrs, t = plane[:, view.onset : view.offset + 1], plane[:, view.t_start : view.t_end + 1]
    st = plane[:, view.offset : view.offset + round(80 / MS)].mean(axis=1)
    qrs_size, t_size = np.hypot(*qrs), np.hypot(*t)
    vectors = np.stack(
        [
            qrs[:, : round(20 / MS)].mean(axis=1),
            qrs[:, : round(40 / MS)].mean(axis=1),
            qrs[:, qrs_size.argmax()],
            qrs[:, -round(40 / MS) :].mean(axis=1),
            st,
            t[:, t_size.argmax()],
        ]
    )
    sizes = np.hypot(vectors[:, 0], vectors[:, 1])
    divisor = np.where(sizes > 0, sizes, np.inf)
    turned = np.column_stack([vectors / divisor[:, None], sizes]).ravel()
    qrs_area, t_area = _turning(qrs), _turning(t)
    path = np.hypot(*np.diff(qrs, axis=1)).sum()
    loops = [
        qrs_area / np.square(qrs_size).max() if qrs_size.max() > 0 else np.nan,
        np.abs(qrs_area) / path**2 if path > 0 else np.nan,
        t_area / np.square(t_size).max() if t_size.max() > 0 else np.nan,
        t_size.max() / qrs_size.max() if qrs_size.max() > 0 else np.nan,
    ]
    return np.concatenate([turned, loops]).astype(np.float32)


def _turning(loop: FloatArray) -> float:
    """Signed area of a loop, positive clockwise as seen from the front."""
    x, y = loop
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2)
