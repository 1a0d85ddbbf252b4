"""Where P, QRS and T begin and end, over all leads together.

Everything is read from the speed of the average beat. The shares and corrections were set on the marks of the
cardiologists of LUDB (100 recordings) and the intervals that devices print; `benchmarks/delineation.py` measures them.
"""

from dataclasses import dataclass
from math import ceil
from statistics import fmean
from typing import Final

import numpy as np

from app.ecg.beats import BEAT_RATE_HZ, R_INDEX
from app.ecg.record import FloatArray

MS: Final = 1000 / BEAT_RATE_HZ
EDGE_SHARE: Final = 0.05  # of a lead's QRS speed: below it the lead is at rest
MAX_TAIL: Final = 35  # samples after the last strong one within which the QRS ends
CORE: Final = 25  # samples around R within which leads together are strong
STRONG_SHARE: Final = 0.35  # of the speed of all leads together
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
    """Average five samples (20 ms); the ends are held."""
    n_samples = leads.shape[1]
    held = np.empty((len(leads), n_samples + 4), np.float32)
    held[:, 2:-2] = leads
    held[:, :2], held[:, -2:] = leads[:, :1], leads[:, -1:]
    smooth = held[:, :n_samples] + held[:, 1 : n_samples + 1]
    for lag in (2, 3, 4):
        smooth += held[:, lag : lag + n_samples]
    smooth /= 5
    return smooth


def _joint_speed(leads: FloatArray) -> FloatArray:
    """Root mean square over the leads of the change across two samples, averaged over three."""
    change = leads[:, 2:] - leads[:, :-2]
    joint = np.zeros(leads.shape[1], np.float32)
    np.sqrt(np.square(change).sum(axis=0) / len(leads), out=joint[1:-1])
    joint[1:-1] = (joint[:-2] + joint[1:-1] + joint[2:]) / 3
    return joint


def _quiet_level(values: FloatArray, share: int) -> float:
    """Mean of the lowest of the values: one out of `share`, at least three."""
    n_quiet = max(3, len(values) // share)
    return float(np.sort(values)[:n_quiet].sum() / n_quiet)


def _fall_below(values: FloatArray, start: int, step: int, threshold: float) -> float:
    """Walk from `start` to where the values fall below the threshold, between samples; stop at the end."""
    path = (values[start::step] if step > 0 else values[start::-1]).tolist()
    at = next((i for i, value in enumerate(path) if value < threshold), len(path) - 1)
    if at == 0:
        return float(start)
    above, below = path[at - 1], path[at]
    fraction = min(1.0, (above - threshold) / (above - below)) if above > below else 1.0
    return start + step * (at - 1 + fraction)


def delineate(
    relative_beat: FloatArray, windows: FloatArray, divisor: FloatArray, rr_s: float, rr_variation: float
) -> Fiducials:
    """Find the bounds of the waves.

    Parameters
    ----------
    relative_beat
        (12, BEAT_LENGTH) average beat, each lead relative to its QRS, zero where a lead is missing.
    windows
        (n_beats, 12, BEAT_LENGTH) the beats it was made from, in mV.
    divisor
        (12,) mV, what made it relative; infinite where a lead is missing.
    rr_s
        Mean RR interval.
    rr_variation
        Standard deviation of the RR intervals over their mean.
    """
    onsets, offsets = _qrs_edges(relative_beat)
    onset = fmean(onsets[RANKS]) + ONSET_CORRECTION_MS / MS
    offset = fmean(offsets[RANKS]) + OFFSET_CORRECTION_MS / MS
    smooth = _smooth(relative_beat)
    speed = _joint_speed(smooth)
    p = _p_wave(smooth, speed, (windows, divisor), onset, rr_s)
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
        qrs_onset_spread_ms=(onsets[-3] - onsets[1]) * MS,
        qrs_offset_spread_ms=(offsets[1] - offsets[-3]) * MS,
    )


def _qrs_edges(beat: FloatArray) -> tuple[list[float], list[float]]:
    """Onset and offset of the QRS in every lead: onsets earliest first, offsets latest first."""
    speed = _lead_speed(beat[:, : R_INDEX + CORE + MAX_TAIL + 2])
    peak = speed[:, R_INDEX - 20 : R_INDEX + 21].max(axis=1)
    rest = np.sort(speed[:, R_INDEX - 40 : R_INDEX - 12], axis=1)[:, :10].sum(axis=1) / 10
    threshold = rest + EDGE_SHARE * (peak - rest)
    power = np.square(speed[:, R_INDEX - CORE : R_INDEX + CORE + 1]).sum(axis=0)
    strong = (np.flatnonzero(power > STRONG_SHARE**2 * power[5:46].max()) + R_INDEX - CORE).tolist()
    first, last = strong[0], strong[-1]
    alive = peak > 0
    if not alive.all():
        speed, threshold = speed[alive], threshold[alive]
    after = speed[:, last : last + MAX_TAIL]
    slowest = np.sort(after, axis=1)[:, 2:6].sum(axis=1) / 4  # a sloping ST segment is never at rest
    onsets = [first - steps for steps in _first_rest(speed[:, first::-1], threshold)]
    offsets = [last + steps for steps in _first_rest(after, np.maximum(threshold, 1.5 * slowest))]
    return _at_least_five(sorted(onsets)), _at_least_five(sorted(offsets, reverse=True))


def _lead_speed(leads: FloatArray) -> FloatArray:
    """Size of the change across two samples, averaged over three with the middle one twice."""
    change = np.zeros_like(leads)
    np.abs(leads[:, 2:] - leads[:, :-2], out=change[:, 1:-1])
    speed = 2 * change[:, 1:-1]
    speed += change[:, :-2]
    speed += change[:, 2:]
    np.divide(speed, 4, out=change[:, 1:-1])
    return change


def _at_least_five(edges: list[float]) -> list[float]:
    """Repeat the middle lead where too few leads are alive to rank."""
    return edges if len(edges) >= RANKS.stop else [edges[len(edges) // 2]] * RANKS.stop


def _first_rest(paths: FloatArray, threshold: FloatArray) -> list[float]:
    """Count the steps along each path until three values in a row lie under its threshold, between samples."""
    under = paths < threshold[:, None]
    held = under[:, :-2] & under[:, 1:-1] & under[:, 2:]
    held[:, -1] = True  # what never rests ends with its path
    at = held.argmax(axis=1)
    rows = np.arange(len(paths))
    above, below = paths[rows, np.maximum(at - 1, 0)], paths[rows, at]
    fall = above - below
    fraction = (above - threshold) / np.where(fall > 0, fall, np.float32(np.inf))
    steps: list[float] = np.maximum(at - 1 + np.minimum(np.maximum(fraction, 0), 1), 0).tolist()
    return steps


def _p_wave(
    smooth: FloatArray, speed: FloatArray, beats: tuple[FloatArray, FloatArray], qrs_onset: float, rr_s: float
) -> _PWave | None:
    """Find the strongest wave before the QRS and how well it repeats."""
    last = int(qrs_onset) - 3
    first = max(2, int(qrs_onset) - int(min(P_REACH_MS, 1000 * P_REACH_RR * rr_s) / MS))
    if last - first < 15:
        return None
    part = smooth[:, first:last]
    usual = np.sort(part, axis=1)[:, part.shape[1] // 2, None]
    height = np.sqrt(np.square(part - usual).sum(axis=0) / len(part))
    peak = int(height[2:-2].argmax()) + 2
    pace = speed[first:last]
    rest = _quiet_level(pace, 4)
    rise = max(0, peak - 18) + int(pace[max(0, peak - 18) : peak + 1].argmax())
    fall = peak + int(pace[peak : peak + 19].argmax())
    onset = _fall_below(pace, rise, -1, rest + P_SHARE * (float(pace[rise]) - rest))
    offset = _fall_below(pace, fall, 1, rest + P_SHARE * (float(pace[fall]) - rest))
    floor = _quiet_level(height, 3)
    windows, divisor = beats
    return _PWave(
        onset=first + onset,
        peak=float(first + peak),
        offset=first + offset,
        contrast=float(height[peak]) / floor if floor > 0 else 0.0,
        coherence=_coherence(windows[:, :, first:last], divisor, int(onset), int(offset) + 1),
    )


def _coherence(windows: FloatArray, divisor: FloatArray, start: int, stop: int) -> float:
    """Share of the beats' energy that their mean explains, free of the bias of few beats; 1 for a single beat."""
    n_beats, _, n_samples = windows.shape
    relative = windows / divisor[:, None]
    wave = relative[:, :, start:stop] - relative.sum(axis=2, keepdims=True) / n_samples
    total = float(np.vdot(wave, wave)) / wave.size
    if n_beats < 2 or not total > 0:
        return 1.0
    mean = wave.sum(axis=0) / n_beats
    shared = float(np.vdot(mean, mean)) / mean.size
    explained: float = (shared - total / n_beats) / (1 - 1 / n_beats) / total
    return max(0.0, explained)


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
    first = ceil(qrs_offset) + round(T_DELAY_MS / MS)
    reach_ms = min(680.0, rr_ms - pr_ms - 20, 0.72 * rr_ms + 120)
    last = min(len(speed) - 2, R_INDEX + int(reach_ms / MS))
    if last - first < 15:
        return None, None
    pace = speed[first:last]
    expected = qrs_onset + (1000 * T_FALL_RR * rr_s**0.5 - 60) / MS
    prior = np.exp(-0.5 * np.square((np.arange(first, last) - expected) * (MS / T_FALL_SD_MS)))
    fall = int((pace * prior).argmax())
    rest = _quiet_level(pace, 5)
    if pace[fall] < MIN_T_CONTRAST * rest:
        return None, None
    offset = first + _fall_below(pace, fall, 1, rest + T_SHARE * (float(pace[fall]) - rest))
    start = first + max(0, fall - 25)
    part = smooth[:, start : int(offset) + 1]
    height = np.square(part - part[:, -1:]).sum(axis=0)
    return float(start + int(height.argmax())), offset
