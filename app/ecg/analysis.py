"""Read a prepared ECG: beats, the usual beat, its waves, the measurements."""

from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np

from app.ecg.beats import QRS_WINDOW, Beats, IntArray, find_beats
from app.ecg.fiducials import Fiducials, delineate
from app.ecg.measurements import Measurements, beat_index, measure
from app.ecg.notices import Notice, NoticeCode, notice
from app.ecg.pipeline import PreparedECG
from app.ecg.record import LIMB_LEADS, SAMPLING_RATE_HZ, FloatArray

_N_LIMB: Final = len(LIMB_LEADS)
MIN_RATE_BPM: Final = 20.0
MAX_RATE_BPM: Final = 300.0
HASTY_RATE_BPM: Final = 150.0
HASTY_QRS_MS: Final = 60.0
SILENT_SHARE: Final = 1e-8  # of the strongest lead's QRS power: nothing is connected below


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Analysis:
    """What was read from one ECG.

    Attributes
    ----------
    beats
        R peaks and the usual beats.
    level_beat
        (12, BEAT_LENGTH) the usual beat at `beats.BEAT_RATE_HZ`, R at `beats.R_INDEX`, zero just before the QRS.
    scale
        (12,) what makes it relative: the root mean square over the QRS of the six limb leads together, and of each
        chest lead by itself; NaN for a lead without a QRS.
    relative_beat
        `level_beat / scale`.
    fiducials, measurements
        Bounds of the waves and the numbers that follow.
    notices
        Findings that only the measurements show.
    """

    beats: Beats
    level_beat: FloatArray
    scale: FloatArray
    relative_beat: FloatArray
    fiducials: Fiducials
    measurements: Measurements
    notices: tuple[Notice, ...] = ()


def _qrs_scale(beat: FloatArray) -> FloatArray:
    qrs = beat[:, QRS_WINDOW]
    n_samples = qrs.shape[1]
    power: FloatArray = np.square(qrs - qrs.sum(axis=1, keepdims=True) / n_samples).sum(axis=1) / n_samples
    silent = power <= SILENT_SHARE * power.max()
    power[:_N_LIMB] = power[:_N_LIMB].sum() / _N_LIMB
    power[silent] = np.nan
    return np.sqrt(power)


def _rr_statistics(r_peaks: IntArray) -> tuple[float, float]:
    """Mean RR interval in seconds, and the standard deviation of the intervals over it."""
    rr_s = (r_peaks[1:] - r_peaks[:-1]) / SAMPLING_RATE_HZ
    mean_s = float(rr_s.sum()) / len(rr_s)
    deviation_s = rr_s - mean_s
    return mean_s, sqrt(float(deviation_s @ deviation_s) / len(rr_s)) / mean_s


def _doubts(measurements: Measurements) -> tuple[Notice, ...]:
    """Name what a wrong sampling rate does: it multiplies the rate of the heart and divides every interval."""
    rate, qrs_ms = measurements.heart_rate_bpm, measurements.qrs_duration_ms
    plausible = MIN_RATE_BPM <= rate <= MAX_RATE_BPM
    if plausible and not (qrs_ms < HASTY_QRS_MS and rate > HASTY_RATE_BPM):
        return ()
    values = {"heart_rate_bpm": round(rate), "qrs_duration_ms": round(qrs_ms)}
    return (notice(NoticeCode.SAMPLING_RATE_SUSPECT, **values),)


def analyse(prepared: PreparedECG) -> Analysis:
    """Find the beats, average the usual ones, delineate and measure.

    Raises
    ------
    UnusableECG
        No heartbeats can be seen.
    """
    beats = find_beats(prepared.filtered.T)
    scale = _qrs_scale(beats.average)
    divisor: FloatArray = np.where(np.isnan(scale), np.float32(np.inf), scale)
    mean_rr_s, rr_variation = _rr_statistics(beats.r_peaks)
    fiducials = delineate(beats.average / divisor[:, None], beats.windows, divisor, mean_rr_s, rr_variation)
    onset = beat_index(fiducials.qrs_onset_ms)
    before = beats.average[:, max(0, onset - 5) : max(1, onset)]
    level_beat: FloatArray = beats.average - before.sum(axis=1, keepdims=True) / before.shape[1]
    measurements = measure(level_beat, fiducials, beats.r_peaks, SAMPLING_RATE_HZ)
    return Analysis(
        beats=beats,
        level_beat=level_beat,
        scale=scale,
        relative_beat=level_beat / scale[:, None],
        fiducials=fiducials,
        measurements=measurements,
        notices=_doubts(measurements),
    )
