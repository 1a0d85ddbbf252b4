"""Each lead's P, QRS, ST and T, relative to its QRS."""

from typing import Final

import numpy as np

from app.ecg.analysis import Analysis
from app.ecg.beats import BEAT_LENGTH, BEAT_RATE_HZ
from app.ecg.measurements import beat_index
from app.ecg.pipeline import PreparedECG
from app.ecg.record import LEADS, N_LEADS, FloatArray

MS: Final = 1000 / BEAT_RATE_HZ
_QRS_KINDS: Final = (
    "r_rel",
    "s_rel",
    "qrs_abs_area_rel",
    "qrs_area_rel",
    "r_time_ms",
    "s_time_ms",
    "q_rel",
    "q_duration_ms",
    "terminal_40ms_rel",
    "r_share",
    "r_prime_rel",
    "qrs_path_rel",
)
_ST_KINDS: Final = ("st_j_rel", "st_j40_rel", "st_j60_rel", "st_j80_rel", "st_slope_rel")
_T_KINDS: Final = ("t_max_rel", "t_min_rel", "t_mean_rel", "t_asymmetry")
_P_KINDS: Final = ("p_max_rel", "p_min_rel", "p_terminal_rel")

NAMES: Final = tuple(f"{lead}_{kind}" for kind in _QRS_KINDS + _ST_KINDS + _T_KINDS + _P_KINDS for lead in LEADS)


def compute(_prepared: PreparedECG, analysis: Analysis) -> FloatArray:
    """Return the values of `NAMES`."""
    beat, f = analysis.relative_beat, analysis.fiducials
    onset, offset = beat_index(f.qrs_onset_ms), beat_index(f.qrs_offset_ms)
    t_end = beat_index(f.t_offset_ms) if f.t_offset_ms is not None else min(offset + 75, BEAT_LENGTH - 1)
    blocks = [_qrs(beat[:, onset : offset + 1]), _st(beat, offset), _t(beat[:, offset + 15 : t_end + 1])]
    if f.p_onset_ms is None or f.p_offset_ms is None:
        blocks.append(np.full((len(_P_KINDS), N_LEADS), np.nan, np.float32))
    else:
        blocks.append(_p(beat, beat_index(f.p_onset_ms), beat_index(f.p_offset_ms)))
    return np.concatenate(blocks).ravel()


def _qrs(qrs: FloatArray) -> FloatArray:
    n_samples = qrs.shape[1]
    columns = np.arange(n_samples)
    r_at, s_at = qrs.argmax(axis=1), qrs.argmin(axis=1)
    r, s = qrs.max(axis=1), qrs.min(axis=1)
    before_r = columns < r_at[:, None]
    q = np.where(before_r & (columns < 12), qrs, 0).min(axis=1)
    q_samples = (before_r & (qrs < -0.1)).sum(axis=1)
    after_s = np.where(columns > s_at[:, None], qrs, 0).max(axis=1)
    return np.stack(
        [
            r,
            s,
            np.abs(qrs).sum(axis=1) * MS,
            qrs.sum(axis=1) * MS,
            r_at * MS,
            s_at * MS,
            q,
            q_samples * MS,
            qrs[:, -10:].mean(axis=1),
            r / (r - s),
            after_s,
            np.abs(np.diff(qrs, axis=1)).sum(axis=1) / (r - s),
        ]
    ).astype(np.float32)


def _st(beat: FloatArray, offset: int) -> FloatArray:
    at = np.minimum(offset + np.array([0, 10, 15, 20]), BEAT_LENGTH - 2)
    levels = (beat[:, at - 1] + beat[:, at] + beat[:, at + 1]).T / 3
    return np.concatenate([levels, levels[3:] - levels[:1]])


def _t(t: FloatArray) -> FloatArray:
    if t.shape[1] < 3:
        return np.full((len(_T_KINDS), N_LEADS), np.nan, np.float32)
    mean = t.mean(axis=1)
    magnitude = np.abs(t)
    centre = (magnitude * np.arange(t.shape[1])).sum(axis=1) / magnitude.sum(axis=1)
    return np.stack([t.max(axis=1), t.min(axis=1), mean, centre / t.shape[1]]).astype(np.float32)


def _p(beat: FloatArray, onset: int, offset: int) -> FloatArray:
    start = max(0, onset)
    p = beat[:, start : offset + 1] - beat[:, [start, offset]].mean(axis=1, keepdims=True)
    return np.stack([p.max(axis=1), p.min(axis=1), p[:, p.shape[1] // 2 :].mean(axis=1)])
