"""Heartbeats: where they are, which of them look alike, and what the usual one looks like in every lead."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sleepecg.heartbeats import detect_heartbeats

from app.ecg.errors import ErrorCode, UnusableECG
from app.ecg.record import SAMPLING_RATE_HZ, FloatArray

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

BEAT_RATE_HZ: Final = 250
_STEP: Final = SAMPLING_RATE_HZ // BEAT_RATE_HZ
BEFORE_MS: Final = 400
AFTER_MS: Final = 700
R_INDEX: Final = BEFORE_MS * BEAT_RATE_HZ // 1000
BEAT_LENGTH: Final = (BEFORE_MS + AFTER_MS) * BEAT_RATE_HZ // 1000
_OFFSETS: Final = (np.arange(BEAT_LENGTH) - R_INDEX) * _STEP

_REACH: Final = 40  # 80 ms, in samples
_SEARCH: Final = np.arange(-_REACH, _REACH + 1)
_APART: Final = SAMPLING_RATE_HZ // 5
QRS_WINDOW: Final = slice(R_INDEX - 15, R_INDEX + 16)  # 60 ms each side
_QRS_OFFSETS: Final = _OFFSETS[QRS_WINDOW]
_COMPARED: Final = slice(QRS_WINDOW.start, R_INDEX + 90)  # QRS, ST and most of T
_LAGS: Final = np.arange(-12, 13)  # 24 ms each side, in samples
# What repeats is a heart: set on 2,188 real recordings, the worst of which is named beside each bound.
KINSHIP: Final = 0.7
MIN_KIN: Final = 3  # beats that resemble one of them; at least 4
MIN_NEXT_OF_KIN: Final = 0.6  # likeness to the most similar other beat, the median of the beats; at least 0.79
MIRRORED: Final = -0.9  # likeness of the two edges of a pulse; no two beats are below -0.77
MAX_MIRRORED_SHARE: Final = 0.2
MIN_LIKENESS: Final = 0.85
MIN_BEATS: Final = 2
SPAN_SAMPLES: Final = 2 * SAMPLING_RATE_HZ  # even a slow heart beats once in such a span
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
    scale: FloatArray = np.abs(leads).mean(axis=1, keepdims=True)
    scale[scale == 0] = np.inf
    lively: FloatArray = leads / scale
    activity = _activity(lively)
    r_peaks = _refined(detect_heartbeats(activity[::_STEP].astype(np.float64), BEAT_RATE_HZ) * _STEP, activity)
    if len(r_peaks) < MIN_BEATS:
        raise UnusableECG(ErrorCode.NO_BEATS)
    likeness = _likeness(_windows(lively, r_peaks))
    if not _is_of_one_heart(likeness):
        raise UnusableECG(ErrorCode.NO_BEATS)
    usual = _usual(likeness)
    r_peaks = _aligned(lively, r_peaks, usual)
    inside = usual & (r_peaks + _OFFSETS[0] >= 0) & (r_peaks + _OFFSETS[-1] < leads.shape[1])
    windows = _windows(leads, r_peaks[inside if inside.sum() >= MIN_BEATS else usual])
    return Beats(r_peaks, usual, windows, _interquartile_mean(windows))


def _activity(lively: FloatArray) -> FloatArray:
    """Speed of the signal over 16 ms, all leads together."""
    speed = np.zeros(lively.shape[1], np.float32)
    difference = lively[:, 8:] - lively[:, :-8]
    speed[4:-4] = np.sqrt(np.einsum("ij,ij->j", difference, difference))
    return speed


def _refined(rough: IntArray, activity: FloatArray) -> IntArray:
    """Complete and clean the detector's peaks, and move each to the centre of the activity around it.

    In a slow heart the detector calls T waves beats and then misses beats: what is much weaker than usual is
    dropped, what is as strong is added. Where nothing stands out, as in noise, there are no beats, nor where one jolt
    dwarfs everything else, which then is the echo of the filter. Peaks within 200 ms of each other are one.
    """
    n_spans = len(activity) // SPAN_SAMPLES
    strongest = activity[: n_spans * SPAN_SAMPLES].reshape(n_spans, -1).max(axis=1)
    reference = np.median(strongest)
    if reference < MIN_CONTRAST * np.median(activity) or strongest.max() > MAX_OUTBURST * reference:
        return rough[:0]
    bursts = np.flatnonzero(activity > MISSED_STRENGTH * reference)
    rough = rough[_strength(rough, activity) > MIN_STRENGTH * reference]
    lone = bursts[np.abs(bursts[:, None] - rough).min(axis=1, initial=len(activity)) > 2 * _REACH]
    starts = lone[np.diff(lone, prepend=-SAMPLING_RATE_HZ) > _APART]
    rough = np.sort(np.concatenate([rough, starts + _REACH // 2]))
    around = np.clip(rough[:, None] + _SEARCH, 0, len(activity) - 1)
    weight = np.square(activity[around])
    centre = (weight * _SEARCH).sum(axis=1) / np.maximum(weight.sum(axis=1), np.finfo(np.float32).tiny)
    peaks: IntArray = np.unique(np.clip(rough + np.rint(centre).astype(np.int64), 0, len(activity) - 1))
    apart: BoolArray = np.diff(peaks, prepend=-SAMPLING_RATE_HZ) > _APART
    return peaks[apart]


def _strength(peaks: IntArray, activity: FloatArray) -> FloatArray:
    strength: FloatArray = activity[np.clip(peaks[:, None] + _SEARCH, 0, len(activity) - 1)].max(axis=1)
    return strength


def _windows(leads: FloatArray, r_peaks: IntArray) -> FloatArray:
    """Cut (n_beats, 12, BEAT_LENGTH) around the peaks; the ends of the signal are held."""
    index = np.clip(r_peaks[:, None] + _OFFSETS, 0, leads.shape[1] - 1)
    windows: FloatArray = leads[:, index].transpose(1, 0, 2)
    return windows


def _likeness(windows: FloatArray) -> FloatArray:
    """Correlate every beat with every other, all leads in one: (n_beats, n_beats)."""
    shape = windows[:, :, _COMPARED].reshape(len(windows), -1)
    shape = shape - shape.mean(axis=1, keepdims=True)
    norm = np.sqrt(np.square(shape).sum(axis=1))
    likeness: FloatArray = (shape @ shape.T) / np.maximum(np.outer(norm, norm), np.finfo(np.float32).tiny)
    return likeness


def _is_of_one_heart(likeness: FloatArray) -> bool:
    """Tell beats, which repeat, from noise, which does not, and from pulses, whose two edges mirror each other."""
    if (likeness > KINSHIP).sum(axis=1).max() < MIN_KIN:
        return False
    next_of_kin = np.sort(likeness, axis=1)[:, -2]
    mirrored = likeness.min(axis=1) < MIRRORED
    return bool(np.median(next_of_kin) >= MIN_NEXT_OF_KIN and mirrored.mean() <= MAX_MIRRORED_SHARE)


def _usual(likeness: FloatArray) -> BoolArray:
    """Mark the beats that resemble the one with most resemblances; the earliest of these, if several."""
    alike: BoolArray = likeness > MIN_LIKENESS
    usual = alike[np.argmax(alike.sum(axis=1))]
    return usual if usual.sum() >= MIN_BEATS else np.ones_like(usual)


def _aligned(lively: FloatArray, r_peaks: IntArray, usual: BoolArray) -> IntArray:
    """Shift each usual beat by the lag at which its QRS fits the average QRS best."""
    width = _QRS_OFFSETS[-1] - _QRS_OFFSETS[0] + 1
    reach = np.arange(_QRS_OFFSETS[0] + _LAGS[0], _QRS_OFFSETS[-1] + _LAGS[-1] + 1)
    around = lively[:, np.clip(r_peaks[usual][:, None] + reach, 0, lively.shape[1] - 1)]
    shifted = np.lib.stride_tricks.sliding_window_view(around, width, axis=2)[..., ::_STEP]
    template = shifted[:, :, len(_LAGS) // 2].mean(axis=1)
    fit = np.einsum("lbko,lo->bk", shifted, template)
    moved = r_peaks.copy()
    moved[usual] += _LAGS[np.argmax(fit, axis=1)]
    return moved


def _interquartile_mean(windows: FloatArray) -> FloatArray:
    """Average the middle half of the beats at every sample: as robust as a median, less noisy."""
    n_beats = len(windows)
    cut = n_beats // 4
    ordered = np.sort(windows.transpose(1, 2, 0), axis=2)
    return np.ascontiguousarray(ordered[:, :, cut : n_beats - cut].mean(axis=2))
