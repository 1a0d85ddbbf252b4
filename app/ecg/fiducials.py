"""Where P, QRS and T begin and end, over all leads together.

Everything is read from the speed of the average beat. The shares and corrections were set on the marks of the
cardiologists of LUDB (100 recordings) and the intervals that devices print; `benchmarks/delineation.py` measures them.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from app.ecg.beats import BEAT_RATE_HZ, R_INDEX
from app.ecg.record import FloatArray

MS: Final = 1000 / BEAT_RATE_HZ
EDGE_SHARE: Final = 0.05  # of a lead's QRS speed: below it the lead is at rest
MAX_TAIL: Final = 35  # samples after the last strong one within which the QRS ends
HOLD: Final = 3  # samples of rest that end a QRS complex
RANKS: Final = slice(1, 5)  # the earliest lead may be noise, the second to fifth agree
ONSET_CORRECTION_MS: Final = -2.0
OFFSET_CORRECTION_MS: Final = 1.0
P_SHARE: Final = 0.2
P_REACH_MS: Final = 280.0
P_REACH_RR: Final = 0.45
T_SHARE: Final = 0.15
T_DELAY_MS: Final = 60.0  # after the QRS: not before it does T begin
T_FALL_RR: Final = 0.42  # steepest fall of T after QRS onset, in square roots of RR, less 60 ms
T_FALL_SD_MS: Final = 80.0
MIN_T_CONTRAST: Final = 1.5
USUAL_PR_MS: Final = 180.0
MIN_P_COHERENCE: Final = 0.15
MIN_P_EVIDENCE: Final = 1.3
MIN_P_EVIDENCE_IRREGULAR: Final = 2.6
IRREGULAR_RR: Final = 0.10


@dataclass(frozen=True, slots=True)
class Fiducials:
    """Times in ms after the R peak of the average beat; None where the wave cannot be seen.

    The QRS complex is always there: an ECG without one has no beats. `p_contrast` is the height of the candidate P wave
    over the rest of its search window, `p_coherence` the share of its energy that repeats from beat to beat;
    `qrs_onset_spread_ms` and `qrs_offset_spread_ms` tell how much the leads disagree.
    """

    p_onset_ms: float | None
    p_peak_ms: float | None
    p_offset_ms: float | None
    qrs_onset_ms: float
    qrs_offset_ms: float
    t_peak_ms: float | None
    t_offset_ms: float | None
    p_contrast: float = 0.0
    p_coherence: float = 0.0
    qrs_onset_spread_ms: float = 0.0
    qrs_offset_spread_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class _PWave:
    onset: float
    peak: float
    offset: float
    contrast: float
    coherence: float


def _smooth(leads: FloatArray) -> FloatArray:
    """Average five samples (20 ms)."""
    padded = np.concatenate([leads[:, :1], leads[:, :1], leads, leads[:, -1:], leads[:, -1:]], axis=1)
    sums: FloatArray = padded[:, :-4] + padded[:, 1:-3] + padded[:, 2:-2] + padded[:, 3:-1] + padded[:, 4:]
    return sums / np.float32(5)


def _speed(leads: FloatArray) -> FloatArray:
    speed = np.zeros_like(leads)
    np.abs(leads[:, 2:] - leads[:, :-2], out=speed[:, 1:-1])
    return speed


def _joint(speed: FloatArray) -> FloatArray:
    """Root mean square over the leads, averaged over three samples."""
    joint: FloatArray = np.sqrt(np.einsum("lt,lt->t", speed, speed) / np.float32(len(speed)))
    joint[1:-1] = (joint[:-2] + joint[1:-1] + joint[2:]) / 3
    return joint


def _fall_below(values: FloatArray, start: int, step: int, threshold: float) -> float:
    """Walk from `start` to where the values fall below the threshold, between samples; stop at the end."""
    path = values[start::step] if step > 0 else values[start::-1]
    under = path < threshold
    at = int(under.argmax()) if under.any() else len(path) - 1
    if at == 0:
        return float(start)
    above, below = float(path[at - 1]), float(path[at])
    fraction = min(1.0, (above - threshold) / (above - below)) if above > below else 1.0
    return start + step * (at - 1 + fraction)


def delineate(relative_beat: FloatArray, relative_windows: FloatArray, rr_s: float, rr_variation: float) -> Fiducials:
    """Find the bounds of the waves.

    Parameters
    ----------
    relative_beat
        (12, BEAT_LENGTH) average beat, each lead relative to its QRS, zero where a lead is missing.
    relative_windows
        (n_beats, 12, BEAT_LENGTH) the beats it was made from.
    rr_s
        Mean RR interval.
    rr_variation
        Standard deviation of the RR intervals over their mean.
    """
    onsets, offsets = _qrs_edges(relative_beat)
    onset = float(onsets[RANKS].mean()) + ONSET_CORRECTION_MS / MS
    offset = float(offsets[RANKS].mean()) + OFFSET_CORRECTION_MS / MS
    smooth = _smooth(relative_beat)
    speed = _joint(_speed(smooth))
    p = _p_wave(smooth, speed, relative_windows, onset, rr_s)
    found = p is not None and _is_p_wave(p, rr_variation)
    pr_ms = (onset - p.onset) * MS if p is not None and found else USUAL_PR_MS
    t_peak, t_offset = _t_wave(smooth, speed, (onset, offset), rr_s, pr_ms)

    def after_r(at: float | None) -> float | None:
        return None if at is None else (at - R_INDEX) * MS

    return Fiducials(
        p_onset_ms=after_r(p.onset) if p is not None and found else None,
        p_peak_ms=after_r(p.peak) if p is not None and found else None,
        p_offset_ms=after_r(p.offset) if p is not None and found else None,
        qrs_onset_ms=(onset - R_INDEX) * MS,
        qrs_offset_ms=(offset - R_INDEX) * MS,
        t_peak_ms=after_r(t_peak),
        t_offset_ms=after_r(t_offset),
        p_contrast=0.0 if p is None else p.contrast,
        p_coherence=0.0 if p is None else p.coherence,
        qrs_onset_spread_ms=float(onsets[-3] - onsets[1]) * MS,
        qrs_offset_spread_ms=float(offsets[1] - offsets[-3]) * MS,
    )


def _qrs_edges(beat: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Onset and offset of the QRS in every lead: onsets earliest first, offsets latest first."""
    speed = _speed(beat)
    speed[:, 1:-1] = (speed[:, :-2] + 2 * speed[:, 1:-1] + speed[:, 2:]) / 4
    peak = speed[:, R_INDEX - 20 : R_INDEX + 21].max(axis=1)
    rest = np.sort(speed[:, R_INDEX - 40 : R_INDEX - 12], axis=1)[:, :10].mean(axis=1)
    threshold = (rest + np.float32(EDGE_SHARE) * (peak - rest))[:, None]
    joint = np.sqrt(np.square(speed[:, R_INDEX - 25 : R_INDEX + 26]).mean(axis=0))
    strong = np.flatnonzero(joint > 0.35 * joint[5:46].max()) + R_INDEX - 25
    alive = peak > 0
    before = speed[alive, strong[0] :: -1]
    after = speed[alive, strong[-1] : strong[-1] + MAX_TAIL]
    slowest = np.sort(after, axis=1)[:, 2:6].mean(axis=1)  # a sloping ST segment is never at rest
    after_threshold = np.maximum(threshold[alive], 1.5 * slowest[:, None])
    onsets = strong[0] - _first_rest(before, threshold[alive])
    offsets = strong[-1] + _first_rest(after, after_threshold)
    return _at_least_five(np.sort(onsets)), _at_least_five(np.sort(offsets)[::-1])


def _at_least_five(edges: FloatArray) -> FloatArray:
    """Repeat the middle lead where too few leads are alive to rank."""
    if len(edges) >= RANKS.stop:
        return edges
    return np.full(RANKS.stop, edges[len(edges) // 2])


def _first_rest(paths: FloatArray, threshold: FloatArray) -> npt.NDArray[np.float64]:
    """Count the steps along each path until `HOLD` values lie under its threshold, between samples."""
    under = paths < threshold
    held = under[:, : -HOLD + 1] & under[:, 1 : under.shape[1] - HOLD + 2] & under[:, HOLD - 1 :]
    at = np.where(held.any(axis=1), held.argmax(axis=1), held.shape[1] - 1)
    rows = np.arange(len(paths))
    last, first = paths[rows, np.maximum(at - 1, 0)], paths[rows, at]
    fall = last - first
    fraction = np.clip((last - threshold[:, 0]) / np.where(fall > 0, fall, np.inf), 0, 1)
    steps: npt.NDArray[np.float64] = np.where(at > 0, at - 1 + fraction, 0.0)
    return steps


def _p_wave(smooth: FloatArray, speed: FloatArray, windows: FloatArray, qrs_onset: float, rr_s: float) -> _PWave | None:
    """Find the strongest wave before the QRS and how well it repeats."""
    last = int(qrs_onset) - 3
    first = max(2, int(qrs_onset) - int(min(P_REACH_MS, 1000 * P_REACH_RR * rr_s) / MS))
    if last - first < 15:
        return None
    part = smooth[:, first:last]
    ordered = np.sort(part, axis=1)
    height = np.sqrt(np.square(part - ordered[:, part.shape[1] // 2, None]).mean(axis=0))
    peak = int(height[2:-2].argmax()) + 2
    pace = speed[first:last]
    rest = float(np.sort(pace)[: max(3, len(pace) // 4)].mean())
    rise = max(0, peak - 18) + int(pace[max(0, peak - 18) : peak + 1].argmax())
    fall = peak + int(pace[peak : peak + 19].argmax())
    onset = _fall_below(pace, rise, -1, rest + P_SHARE * (float(pace[rise]) - rest))
    offset = _fall_below(pace, fall, 1, rest + P_SHARE * (float(pace[fall]) - rest))
    floor = float(np.sort(height)[: max(3, len(height) // 3)].mean())
    return _PWave(
        onset=first + onset,
        peak=float(first + peak),
        offset=first + offset,
        contrast=float(height[peak]) / floor if floor > 0 else 0.0,
        coherence=_coherence(windows[:, :, first:last], int(onset), int(offset) + 1),
    )


def _coherence(windows: FloatArray, start: int, stop: int) -> float:
    """Share of the beats' energy that their mean explains, free of the bias of few beats; 1 for a single beat."""
    n_beats = len(windows)
    level = windows - windows.mean(axis=2, keepdims=True)
    wave = level[:, :, start:stop]
    total = float(np.square(wave).mean())
    if n_beats < 2 or not total > 0:
        return 1.0
    shared = float(np.square(wave.mean(axis=0)).mean())
    return max(0.0, (shared - total / n_beats) / (1 - 1 / n_beats) / total)


def _is_p_wave(p: _PWave, rr_variation: float) -> bool:
    """Tell a P wave from fibrillation: it repeats, and more so where the rhythm is irregular."""
    evidence = MIN_P_EVIDENCE if rr_variation < IRREGULAR_RR else MIN_P_EVIDENCE_IRREGULAR
    return p.coherence >= MIN_P_COHERENCE and p.contrast * p.coherence >= evidence


def _t_wave(
    smooth: FloatArray, speed: FloatArray, qrs: tuple[float, float], rr_s: float, pr_ms: float
) -> tuple[float | None, float | None]:
    """Find the end of T: where the speed of its fall has died away."""
    rr_ms = 1000 * rr_s
    qrs_onset, qrs_offset = qrs
    first = int(np.ceil(qrs_offset)) + round(T_DELAY_MS / MS)
    reach_ms = min(680.0, rr_ms - pr_ms - 20, 0.72 * rr_ms + 120)
    last = min(len(speed) - 2, R_INDEX + int(reach_ms / MS))
    if last - first < 15:
        return None, None
    pace = speed[first:last]
    expected = qrs_onset + (1000 * T_FALL_RR * rr_s**0.5 - 60) / MS
    prior = np.exp(-0.5 * np.square((np.arange(first, last) - expected) * (MS / T_FALL_SD_MS)))
    fall = int((pace * prior).argmax())
    rest = float(np.sort(pace)[: max(3, len(pace) // 5)].mean())
    if pace[fall] < MIN_T_CONTRAST * rest:
        return None, None
    offset = first + _fall_below(pace, fall, 1, rest + T_SHARE * (float(pace[fall]) - rest))
    part = smooth[:, first : int(offset) + 1]
    height = np.square(part - part[:, -1:]).sum(axis=0)
    start = max(0, fall - 25)
    return float(first + start + int(height[start:].argmax())), offset
