"""Each lead's QRS complex."""

from typing import Final

import numpy as np

from app.ecg.features.view import MS, View
from app.ecg.record import LEADS, FloatArray

_AFTER_ONSET_MS: Final = (16, 32, 48, 64)
_KINDS: Final = (
    "r_rel",
    "s_rel",
    "qrs_abs_area_rel",
    "qrs_area_rel",
    "r_time_ms",
    "s_time_ms",
    "q_rel",
    "q_duration_ms",
    "qrs_terminal_40ms_rel",
    "r_share",
    "r_prime_rel",
    "qrs_path",
    "r_width_ms",
    "qrs_speed_rel",
    *(f"qrs_{ms}ms_rel" for ms in _AFTER_ONSET_MS),
)
Q_SAMPLES: Final = round(50 / MS)
Q_LEVEL: Final = -0.1
TERMINAL_SAMPLES: Final = round(40 / MS)
_TIMES_MS: Final = np.array(_AFTER_ONSET_MS, np.float64)

NAMES: Final = tuple(f"{lead}_{kind}" for kind in _KINDS for lead in LEADS)


def compute(view: View) -> FloatArray:
    """Return the values of `NAMES`."""
    qrs = view.qrs
    columns = np.arange(qrs.shape[1])
    r, s, r_at, s_at = view.r, view.s, view.r_at, view.s_at
    span = r - s
    last = qrs[:, -TERMINAL_SAMPLES:]
    slopes = np.abs(qrs[:, 1:] - qrs[:, :-1])
    before_r = columns < r_at[:, None]
    early = before_r & (columns < Q_SAMPLES)
    sampled = view.at(view.analysis.fiducials.qrs_onset_ms + _TIMES_MS)
    return np.concatenate(
        [
            r,
            s,
            view.qrs_abs_area * MS,
            qrs.sum(axis=1) * MS,
            r_at * MS,
            s_at * MS,
            np.where(early, qrs, 0).min(axis=1),
            (before_r & (qrs < Q_LEVEL)).sum(axis=1) * MS,
            last.sum(axis=1) / last.shape[1],
            r / span,
            np.where(columns > s_at[:, None], qrs, 0).max(axis=1),
            slopes.sum(axis=1) / span,
            (qrs > r[:, None] / 2).sum(axis=1) * MS,
            slopes.max(axis=1) / MS,
            sampled.T.ravel(),
        ],
        dtype=np.float32,
    )
