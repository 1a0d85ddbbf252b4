"""Rate, regularity, intervals and axes."""

from math import acos, cos, degrees, nan, radians, sin, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

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
    return nan if value is None else value


def _root_mean_square(values: npt.NDArray[np.float64]) -> float:
    return sqrt(float(values @ values) / len(values))


def compute(view: View) -> FloatArray:
    """Return the values of `NAMES`."""
    m, f, beats = view.analysis.measurements, view.analysis.fiducials, view.analysis.beats
    rr_s = (beats.r_peaks[1:] - beats.r_peaks[:-1]) / SAMPLING_RATE_HZ
    mean_s = float(rr_s.sum()) / len(rr_s)
    shortest_s, longest_s = float(rr_s.min()), float(rr_s.max())
    axes = [radians(_number(axis)) for axis in (m.p_axis_deg, m.qrs_axis_deg, m.t_axis_deg)]
    angles = [*axes, axes[1] - axes[2]]
    return np.array(
        [
            m.heart_rate_bpm,
            _root_mean_square(rr_s - mean_s) / mean_s,
            _root_mean_square(rr_s[1:] - rr_s[:-1]) / mean_s if len(rr_s) > 1 else nan,
            (longest_s - shortest_s) / mean_s,
            shortest_s / mean_s,
            1 - np.count_nonzero(beats.usual) / len(beats.usual),
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
            *(part for angle in angles for part in (cos(angle), sin(angle))),
            degrees(acos(cos(angles[3]))),
        ],
        np.float32,
    )
