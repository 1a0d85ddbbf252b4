"""Heartbeats: where they are, which of them look alike, and what the usual one looks like in every lead."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import Final

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from app.ecg.detector import RATE_HZ, rough_beats
from app.ecg.errors import ErrorCode, UnusableECG
from app.ecg.record import SAMPLING_RATE_HZ, FloatArray

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

BEAT_RATE_HZ: Final = RATE_HZ
_STEP: Final = SAMPLING_RATE_HZ // BEAT_RATE_HZ
BEFORE_MS: Final = 400
AFTER_MS: Final = 700
R_INDEX: Final = BEFORE_MS * BEAT_RATE_HZ // 1000
BEAT_LENGTH: Final = (BEFORE_MS + AFTER_MS) * BEAT_RATE_HZ // 1000
_BEAT: Final = slice(-R_INDEX * _STEP, (BEAT_LENGTH - R_INDEX) * _STEP, _STEP)  # of the signal, relative to R

_REACH: Final = 40  # 80 ms, in samples
_SEARCH: Final = np.arange(-_REACH, _REACH + 1)
_SIDE: Final = 4  # the speed of a sample is read 8 ms to each side of it
_APART: Final = SAMPLING_RATE_HZ // 5
QRS_WINDOW: Final = slice(R_INDEX - 15, R_INDEX + 16)  # 60 ms each side
_QRS_LENGTH: Final = QRS_WINDOW.stop - QRS_WINDOW.start
_COMPARED: Final = slice(-15 * _STEP, 90 * _STEP, _STEP)  # QRS, ST and most of T
_MAX_LAG: Final = 12  # 24 ms, in samples
_QRS_AND_LAGS: Final = slice(-15 * _STEP - _MAX_LAG, 15 * _STEP + _MAX_LAG + 1, 1)
# What repeats is a heart: set on 2,188 real recordings, the worst of which is named beside each bound.
KINSHIP: Final = 0.7
MIN_KIN: Final = 3  # beats that resemble one of them; at least 4
MIN_NEXT_OF_KIN: Final = 0.6  # likeness to the most similar other beat, the median of the beats; at least 0.79
MIRRORED: Final = -0.9  # likeness of the two edges of a pulse; no two beats are below -0.77
MAX_MIRRORED_SHARE: Final = 0.2
MIN_LIKENESS: Final = 0.85
MIN_BEATS: Final = 2
MAX_EXCHANGED: Final = 20  # beats above which sorting sample by sample is as fast
SPAN_SAMPLES: Final = 2 * SAMPLING_RATE_HZ  # even a slow heart beats once in such a span
FAINTEST_MV: Final = 1e-15  # mean size of a lead; the square of less vanishes in single precision
MIN_STRENGTH: Final = 0.2
MISSED_STRENGTH: Final = 0.6
MAX_OUTBURST: Final = 30.0  # strongest over strong activity: over 400 where one jolt is all there is, under 4 in hearts
MIN_CONTRAST: Final = 2.2  # strong over usual activity: under 2 in noise, over 6 in each of 2,000 real recordings


@dataclass(frozen=True, slots=True, eq=False)
class Beats:
    """The heartbeats of one ECG.

    Attributes
    ----------
    r_peaks
        (n_beats,) samples at 500 Hz; the moment of strongest activity over all leads.
    usual
        (n_beats,) True for beats of the most frequent shape.
    windows
        (n_windows, 12, BEAT_LENGTH) the usual beats that lie within the signal, at 250 Hz, R at `R_INDEX`.
    average
        (12, BEAT_LENGTH) their interquartile mean, sample by sample.
    """

    r_peaks: IntArray
    usual: BoolArray
    windows: FloatArray
    average: FloatArray


def find_beats(leads: FloatArray) -> Beats:
    """Find the heartbeats and the usual one.

    Parameters
    ----------
    leads
        (12, n_samples) filtered, 500 Hz.

    Raises
    ------
    UnusableECG
        No three heartbeats can be seen that resemble one another.
    """
    weight = _weight(leads)
    activity = _activity(leads, weight)
    r_peaks = _refined(rough_beats(activity[::_STEP].astype(np.float64)) * _STEP, activity)
    if len(r_peaks) < MIN_BEATS:
        raise UnusableECG(ErrorCode.NO_BEATS)
    likeness = _likeness(_cut(leads, r_peaks, _COMPARED) * weight[:, None])
    if not _is_of_one_heart(likeness):
        raise UnusableECG(ErrorCode.NO_BEATS)
    usual = _usual(likeness)
    r_peaks[usual] += _lags(_cut(leads, r_peaks[usual], _QRS_AND_LAGS), weight)
    inside = usual & (r_peaks >= -_BEAT.start) & (r_peaks <= leads.shape[1] - _BEAT.stop + _STEP - 1)
    windows = _cut(leads, r_peaks[inside if np.count_nonzero(inside) >= MIN_BEATS else usual], _BEAT)
    return Beats(r_peaks, usual, windows, _interquartile_mean(windows))


def _weight(leads: FloatArray) -> FloatArray:
    """Return (12,) what each lead is multiplied by so that all speak equally loud; zero for a silent lead."""
    loudness: FloatArray = np.abs(leads) @ np.full(leads.shape[1], 1 / leads.shape[1], np.float32)
    loudness[loudness < FAINTEST_MV] = np.inf
    return np.reciprocal(loudness)


def _activity(leads: FloatArray, weight: FloatArray) -> FloatArray:
    """Speed of the signal over 16 ms, all leads together."""
    activity = np.zeros(leads.shape[1], np.float32)
    power = leads[:, 2 * _SIDE :] - leads[:, : -2 * _SIDE]
    np.square(power, out=power)
    np.sqrt(np.square(weight) @ power, out=activity[_SIDE:-_SIDE])
    return activity


def _refined(rough: IntArray, activity: FloatArray) -> IntArray:
    """Complete and clean the detector's peaks, and move each to the centre of the activity around it.

    In a slow heart the detector calls T waves beats and then misses beats: what is much weaker than usual is
    dropped, what is as strong is added. Where nothing stands out, as in noise, there are no beats, nor where one jolt
    dwarfs everything else, which then is the echo of the filter. Peaks within 200 ms of each other are one.
    """
    n_spans = len(activity) // SPAN_SAMPLES
    strongest = activity[: n_spans * SPAN_SAMPLES].reshape(n_spans, -1).max(axis=1).tolist()
    reference = median(strongest)
    n_lively = np.count_nonzero(activity > reference / MIN_CONTRAST)  # more than half: so is the median
    if 2 * n_lively > len(activity) or max(strongest) > MAX_OUTBURST * reference:
        return rough[:0]
    rough = rough[_around(rough, activity).max(axis=1) > MIN_STRENGTH * reference]
    missed = _missed(rough, activity, MISSED_STRENGTH * reference)
    if len(missed):
        rough = np.sort(np.concatenate([rough, missed]))
    weight = np.square(_around(rough, activity), dtype=np.float64)
    centre = (weight @ _SEARCH) / np.maximum(weight.sum(axis=1), np.finfo(np.float32).tiny)
    moved = rough + np.rint(centre).astype(np.int64)
    peaks: IntArray = np.minimum(np.maximum(moved, 0), len(activity) - 1)
    peaks.sort()
    return peaks[_apart(peaks)]


def _around(peaks: IntArray, activity: FloatArray) -> FloatArray:
    """Activity within `_REACH` of each peak: (n_peaks, 2 * _REACH + 1); the ends are held."""
    return activity.take(peaks[:, None] + _SEARCH, mode="clip")


def _missed(peaks: IntArray, activity: FloatArray, strength: float) -> IntArray:
    """Where something as strong begins that is far from every peak."""
    strong = activity > strength
    for peak in peaks.tolist():
        strong[max(0, peak - 2 * _REACH) : peak + 2 * _REACH + 1] = False
    lone: IntArray = np.flatnonzero(strong)
    return lone[_apart(lone)] + _REACH // 2


def _apart(samples: IntArray) -> BoolArray:
    """Mark those that follow the one before by more than `_APART`; the first always does."""
    apart = np.ones(len(samples), np.bool_)
    np.greater(samples[1:] - samples[:-1], _APART, out=apart[1:])
    return apart


def _cut(leads: FloatArray, peaks: IntArray, part: slice) -> FloatArray:
    """Cut (n_peaks, 12, n_samples) out of the leads, `part` being relative to each peak; the ends are held."""
    n_samples = leads.shape[1]
    around = np.arange(part.start, part.stop, part.step)
    windows = np.empty((len(peaks), len(leads), len(around)), np.float32)
    for window, peak in zip(windows, peaks.tolist(), strict=True):
        if peak + part.start >= 0 and peak + part.stop <= n_samples:
            window[:] = leads[:, peak + part.start : peak + part.stop : part.step]
        else:
            window[:] = leads[:, np.clip(peak + around, 0, n_samples - 1)]
    return windows


def _likeness(windows: FloatArray) -> FloatArray:
    """Correlate every beat with every other, all leads in one: (n_beats, n_beats)."""
    shape = windows.reshape(len(windows), -1)
    shape = shape - (shape @ np.full((shape.shape[1], 1), 1 / shape.shape[1], np.float32))
    products = shape @ shape.copy().T  # with its own transpose numpy takes a path that is slow at this size
    norm = np.sqrt(products.diagonal())
    likeness: FloatArray = products / np.maximum(norm[:, None] * norm, np.finfo(np.float32).tiny)
    return likeness


def _is_of_one_heart(likeness: FloatArray) -> bool:
    """Tell beats, which repeat, from noise, which does not, and from pulses, whose two edges mirror each other."""
    if len(likeness) < MIN_KIN:
        return False
    ordered = np.sort(likeness, axis=1)  # the last is the beat itself
    if ordered[:, -MIN_KIN].max() <= KINSHIP:
        return False
    n_mirrored = np.count_nonzero(ordered[:, 0] < MIRRORED)
    next_of_kin: float = median(ordered[:, -2].tolist())
    return next_of_kin >= MIN_NEXT_OF_KIN and int(n_mirrored) <= MAX_MIRRORED_SHARE * len(likeness)


def _usual(likeness: FloatArray) -> BoolArray:
    """Mark the beats that resemble the one with most resemblances; the earliest of these, if several."""
    alike: BoolArray = likeness > MIN_LIKENESS
    usual = alike[alike.sum(axis=1).argmax()]
    return usual if np.count_nonzero(usual) >= MIN_BEATS else np.ones_like(usual)


def _lags(around: FloatArray, weight: FloatArray) -> IntArray:
    """Find the lag at which each beat's QRS fits the average QRS best.

    Parameters
    ----------
    around
        (n_beats, 12, n_samples) the QRS and the reach of the lags on both sides, every sample.
    weight
        (12,) of the leads.
    """
    average = around[:, :, _MAX_LAG : around.shape[2] - _MAX_LAG : _STEP].mean(axis=0)
    template = average * np.square(weight)[:, None]
    # Each sample of the template times every sample around; what belongs to one lag then lies on a diagonal.
    products = template.T @ around
    per_beat, per_template_sample, per_sample = products.strides
    diagonals = as_strided(
        products,
        (len(around), 2 * _MAX_LAG + 1, _QRS_LENGTH),
        (per_beat, per_sample, per_template_sample + _STEP * per_sample),
    )
    fit: FloatArray = np.einsum("bko->bk", diagonals)
    lags: IntArray = fit.argmax(axis=1) - _MAX_LAG
    return lags


def _interquartile_mean(windows: FloatArray) -> FloatArray:
    """Average the middle half of the beats at every sample: as robust as a median, less noisy."""
    n_beats = len(windows)
    cut = n_beats // 4
    total, *others = _ordered(windows)[cut : n_beats - cut]
    for beat in others:
        total = total + beat
    return total / np.float32(n_beats - 2 * cut)


def _ordered(windows: FloatArray) -> Sequence[FloatArray]:
    """Sort the beats at every sample, as far as the middle half asks for it."""
    if len(windows) > MAX_EXCHANGED:
        return list(np.sort(windows, axis=0))
    beats = list(windows)
    for low, high in _exchanges(len(windows)):
        first, second = beats[low], beats[high]
        beats[low], beats[high] = np.minimum(first, second), np.maximum(first, second)
    return beats


@lru_cache(maxsize=MAX_EXCHANGED)
def _exchanges(n_beats: int) -> tuple[tuple[int, int], ...]:
    """Pairs which, put in order one after the other, bring the middle half of anything into order.

    Batcher's merge exchange, less what only orders the outer quarters. It compares whole beats at once: for a dozen,
    half the price of sorting thousands of samples of a dozen values.
    """
    pairs = [
        (start + i, start + i + distance)
        for length in _halves(n_beats)[::-1]
        for distance in _halves(2 * length)
        for start in range(distance % length, n_beats - distance, 2 * distance)
        for i in range(min(distance, n_beats - start - distance))
        if (start + i) // (2 * length) == (start + i + distance) // (2 * length)
    ]
    cut = n_beats // 4
    wanted = set(range(cut, n_beats - cut))
    needed = []
    for pair in reversed(pairs):
        if not wanted.isdisjoint(pair):
            wanted.update(pair)
            needed.append(pair)
    return tuple(reversed(needed))


def _halves(number: int) -> list[int]:
    """Powers of two below a number, the largest first."""
    return [1 << exponent for exponent in reversed(range((number - 1).bit_length()))]
