"""Rate, regularity, intervals and axes."""

from typing import Final

import numpy as np

from app.ecg.features.view import View
from app.ecg.record import SAMPLING_RATE_HZ, FloatArray

_ANGLES: Final = ("p_axis", "qrs_axis", "t_axis", "qrs_t_angle")

NAMES: Final = (
    "heart_rate_bpm",
    "rr_sd_rel",
    "rr_rmssd_rel",
    "rr_range_rel",
    "rr_shortest_rel",
    "unusual_beat_share",
    "p_found",
    "p_duration_ms",
    "pr_ms",
    "pr_segment_ms",
    "qrs_duration_ms",
    "qrs_onset_to_r_ms",
    "qrs_onset_spread_ms",
    "qrs_offset_spread_ms",
    "qt_ms",
    "qtc_bazett_ms",
    "qtc_fridericia_ms",
    "jt_peak_ms",
    "t_peak_to_end_ms",
    *(f"{angle}_{part}" for angle in _ANGLES for part in ("cos", "sin")),
    "qrs_t_angle_deg",
)


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def compute(view: View) -> FloatArray:
    """Return the values of `NAMES`."""
    m, f, beats = view.analysis.measurements, view.analysis.fiducials, view.analysis.beats
    rr_s = np.diff(beats.r_peaks) / SAMPLING_RATE_HZ
    mean_s = rr_s.mean()
    axes = [np.radians(_number(axis)) for axis in (m.p_axis_deg, m.qrs_axis_deg, m.t_axis_deg)]
    angles = [*axes, axes[1] - axes[2]]
    return np.array(
        [
            m.heart_rate_bpm,
            rr_s.std() / mean_s,
            np.sqrt(np.square(np.diff(rr_s)).mean()) / mean_s if len(rr_s) > 1 else np.nan,
            np.ptp(rr_s) / mean_s,
            rr_s.min() / mean_s,
            1 - beats.usual.mean(),
            float(m.pr_ms is not None),
            _number(m.p_duration_ms),
            _number(m.pr_ms),
            f.qrs_onset_ms - _number(f.p_offset_ms),
            m.qrs_duration_ms,
            -f.qrs_onset_ms,
            f.qrs_onset_spread_ms,
            f.qrs_offset_spread_ms,
            _number(m.qt_ms),
            _number(m.qtc_bazett_ms),
            _number(m.qtc_fridericia_ms),
            _number(f.t_peak_ms) - f.qrs_offset_ms,
            _number(f.t_offset_ms) - _number(f.t_peak_ms),
            *(part for angle in angles for part in (np.cos(angle), np.sin(angle))),
            np.degrees(np.arccos(np.clip(np.cos(angles[3]), -1, 1))),
        ],
        np.float32,
    )
