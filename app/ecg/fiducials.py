"""Where P, QRS and T begin and end, over all leads together."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from app.ecg.beats import BEAT_RATE_HZ, R_INDEX
from app.ecg.record import FloatArray

MS: Final = 1000 / BEAT_RATE_HZ


@dataclass(frozen=True, slots=True)
class Fiducials:
    """Times in ms after the R peak of the average beat; None where the wave cannot be seen.

    The QRS complex is always there: an ECG without one has no beats.
    """

    p_onset_ms: float | None
    p_peak_ms: float | None
    p_offset_ms: float | None
    qrs_onset_ms: float
    qrs_offset_ms: float
    t_peak_ms: float | None
    t_offset_ms: float | None


def _samples(ms: float) -> int:
    return round(ms / MS)


def _crossing(values: FloatArray, start: int, step: int, threshold: float, hold: int) -> float:
    """Walk from `start` until `hold` values in a row lie under the threshold; return where they begin."""
    path = values[start::step] if step > 0 else values[start::-1]
    under = path < threshold
    held = np.convolve(under, np.ones(hold, np.int64), "valid") == hold
    at = int(np.argmax(held)) if held.any() else len(path) - 1
    if at == 0:
        return float(start)
    above, below = float(path[at - 1]), float(path[at])
    fraction = min(1.0, max(0.0, (above - threshold) / (above - below))) if above > below else 1.0
    return start + step * (at - 1 + fraction)


def delineate(relative_beat: FloatArray, rr_s: float) -> Fiducials:
    """Find the bounds of the waves.

    Parameters
    ----------
    relative_beat
        (12, BEAT_LENGTH) average beat, each lead relative to its QRS.
    rr_s
        Mean RR interval.
    """
    speed = np.zeros(relative_beat.shape[1], np.float32)
    difference = relative_beat[:, 2:] - relative_beat[:, :-2]
    speed[1:-1] = np.sqrt(np.square(difference).mean(axis=0))
    around = speed[R_INDEX - 20 : R_INDEX + 21]
    peak = float(around.max())
    quiet = float(np.sort(speed[R_INDEX - 30 : R_INDEX + 60])[:12].mean())
    threshold = quiet + 0.06 * (peak - quiet)
    strong = np.flatnonzero(around > 0.3 * peak) + R_INDEX - 20
    onset = _crossing(speed, int(strong[0]), -1, threshold, 3)
    offset = _crossing(speed, int(strong[-1]), 1, threshold, 4)

    level = relative_beat[:, max(0, int(onset) - 5) : max(1, int(onset) - 1)].mean(axis=1, keepdims=True)
    strength = np.sqrt(np.square(relative_beat - level).mean(axis=0))
    t_peak, t_offset = _t_wave(strength, offset, rr_s)
    p_onset, p_peak, p_offset = _p_wave(relative_beat, onset, rr_s)
    return Fiducials(
        *(None if at is None else (at - R_INDEX) * MS for at in (p_onset, p_peak, p_offset)),
        (onset - R_INDEX) * MS,
        (offset - R_INDEX) * MS,
        *(None if at is None else (at - R_INDEX) * MS for at in (t_peak, t_offset)),
    )


def _t_wave(strength: FloatArray, qrs_offset: float, rr_s: float) -> tuple[float | None, float | None]:
    first = int(qrs_offset) + _samples(60)
    last = min(len(strength) - 3, R_INDEX + _samples(min(680.0, 1000 * rr_s - 150)))
    if last - first < _samples(60):
        return None, None
    peak = first + int(np.argmax(strength[first:last]))
    fall = np.diff(strength[peak : last + 1])
    if len(fall) < 3:
        return float(peak), None
    steepest = int(np.argmin(fall[: _samples(160)]))
    slope = float(fall[steepest])
    if slope >= 0:
        return float(peak), None
    base = float(strength[peak : last + 1].min())
    at = peak + steepest + 0.5
    value = float(strength[peak + steepest] + strength[peak + steepest + 1]) / 2
    return float(peak), min(float(last), at + (value - base) / -slope)


def _p_wave(beat: FloatArray, qrs_onset: float, rr_s: float) -> tuple[float | None, float | None, float | None]:
    last = int(qrs_onset) - _samples(16)
    first = max(2, int(qrs_onset) - _samples(min(280.0, 450 * rr_s)))
    if last - first < _samples(60):
        return None, None, None
    part = beat[:, first:last]
    strength = np.sqrt(np.square(part - np.sort(part, axis=1)[:, part.shape[1] // 2, None]).mean(axis=0))
    peak = int(np.argmax(strength))
    floor = float(np.sort(strength)[: len(strength) // 3].mean())
    height = float(strength[peak])
    if height < 2.5 * floor or peak in {0, len(strength) - 1}:
        return None, None, None
    threshold = floor + 0.2 * (height - floor)
    onset = _crossing(strength, peak, -1, threshold, 3)
    offset = _crossing(strength, peak, 1, threshold, 3)
    return first + onset, first + float(peak), first + offset
