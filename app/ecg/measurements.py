"""The numbers a cardiologist reads first. None means: not measurable here."""

from dataclasses import dataclass
from math import atan2, degrees, hypot, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from app.ecg.beats import BEAT_RATE_HZ, R_INDEX
from app.ecg.fiducials import Fiducials
from app.ecg.record import LEADS, FloatArray

_I, _AVF = LEADS.index("I"), LEADS.index("aVF")
GOLDBERGER: Final = 2 / sqrt(3.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurements:
    """Global intervals in ms, axes in degrees (-180, 180], rates in beats a minute."""

    heart_rate_bpm: float
    rr_ms: float
    p_duration_ms: float | None
    pr_ms: float | None
    qrs_duration_ms: float
    qt_ms: float | None
    qtc_bazett_ms: float | None
    qtc_fridericia_ms: float | None
    qtc_framingham_ms: float | None
    qtc_hodges_ms: float | None
    p_axis_deg: float | None
    qrs_axis_deg: float | None
    t_axis_deg: float | None


def beat_index(ms_after_r: float) -> int:
    """Index into the average beat of a time after its R peak."""
    return R_INDEX + round(ms_after_r * BEAT_RATE_HZ / 1000)


def _frontal_axis(level_beat: FloatArray, start_ms: float | None, end_ms: float | None) -> float | None:
    """Direction of the wave's area in the frontal plane."""
    if start_ms is None or end_ms is None:
        return None
    start, end = max(0, beat_index(start_ms)), beat_index(end_ms) + 1
    if end - start < 2:
        return None
    left = float(level_beat[_I, start:end].sum())
    down = float(level_beat[_AVF, start:end].sum()) * GOLDBERGER
    if not hypot(left, down) > 0:
        return None
    return degrees(atan2(down, left))


def measure(level_beat: FloatArray, fiducials: Fiducials, r_peaks: npt.NDArray[np.int64], rate_hz: int) -> Measurements:
    """Derive the measurements from the bounds of the waves.

    Parameters
    ----------
    level_beat
        (12, BEAT_LENGTH) average beat, zero just before the QRS complex.
    fiducials
        Its bounds.
    r_peaks
        (n_beats,) samples at `rate_hz`.
    """
    rr_s = float(r_peaks[-1] - r_peaks[0]) / (len(r_peaks) - 1) / rate_hz
    rate = 60 / rr_s
    f = fiducials
    qt_ms = None if f.t_offset_ms is None else f.t_offset_ms - f.qrs_onset_ms
    return Measurements(
        heart_rate_bpm=rate,
        rr_ms=1000 * rr_s,
        p_duration_ms=None if f.p_offset_ms is None or f.p_onset_ms is None else f.p_offset_ms - f.p_onset_ms,
        pr_ms=None if f.p_onset_ms is None else f.qrs_onset_ms - f.p_onset_ms,
        qrs_duration_ms=f.qrs_offset_ms - f.qrs_onset_ms,
        qt_ms=qt_ms,
        qtc_bazett_ms=None if qt_ms is None else qt_ms / rr_s**0.5,
        qtc_fridericia_ms=None if qt_ms is None else qt_ms / rr_s ** (1 / 3),
        qtc_framingham_ms=None if qt_ms is None else qt_ms + 154 * (1 - rr_s),
        qtc_hodges_ms=None if qt_ms is None else qt_ms + 1.75 * (rate - 60),
        p_axis_deg=_frontal_axis(level_beat, f.p_onset_ms, f.p_offset_ms),
        qrs_axis_deg=_frontal_axis(level_beat, f.qrs_onset_ms, f.qrs_offset_ms),
        t_axis_deg=_frontal_axis(level_beat, f.qrs_offset_ms + 40, f.t_offset_ms),
    )
