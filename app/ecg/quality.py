"""How far each lead can be trusted. Thresholds were set on 500 recordings of PTB-XL."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from app.ecg.filters import FilteredLeads
from app.ecg.notices import Notice, NoticeCode, notice
from app.ecg.record import LEADS, SAMPLING_RATE_HZ, FloatArray

BoolArray = npt.NDArray[np.bool_]

MIN_STANDARD_DEVIATION_MV: Final = 0.010
FLAT_SAMPLES: Final = SAMPLING_RATE_HZ  # 1 s; the longest constant run of a clean lead is 0.33 s
RAIL_SAMPLES: Final = SAMPLING_RATE_HZ // 10
# Divides half of FLAT_SAMPLES, and two lie within any run of more than RAIL_SAMPLES.
_GLANCE_SAMPLES: Final = RAIL_SAMPLES // 2
MIN_RAIL_RANGE_MV: Final = 2.0
BASELINE_WARN_MV: Final = 1.0
BASELINE_BAD_MV: Final = 3.0
NOISE_WARN_MV: Final = 0.040
NOISE_BAD_MV: Final = 0.100
MAX_LAW_RESIDUAL_MV: Final = 0.05
REVERSAL_CORRELATION: Final = -0.3
# Of 770 recordings whose arm leads are interchanged, 96 % rise by more than this and 2 % fall by more.
MIN_CHEST_RISE: Final = 2.0
MAX_BAD_LEADS: Final = 3
# A difference of two sums in float32 is believed down to this share of them; it is right to a hundredth of that.
CANCELLATION: Final = 1e-3

_I, _II, _AVR, _V1, _V5, _V6 = _COMPARED = [LEADS.index(lead) for lead in ("I", "II", "aVR", "V1", "V5", "V6")]
_OUTER_CHEST: Final = [LEADS.index(lead) for lead in ("V1", "V2", "V5", "V6")]
_OUTER_CHEST_SIGNS: Final = np.array([-1, -1, 1, 1], np.float32)


class LeadQuality(StrEnum):
    """Verdict on one lead."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


_BY_GRADE: Final = (LeadQuality.OK, LeadQuality.WARN, LeadQuality.BAD)


class Verdict(StrEnum):
    """Verdict on the whole ECG; `ABSTAIN` advises against using the classification."""

    ACCEPT = "accept"
    ACCEPT_WITH_WARNINGS = "accept_with_warnings"
    ABSTAIN = "abstain"


@dataclass(frozen=True, slots=True)
class Quality:
    """Verdict on every lead and on the whole."""

    leads: Mapping[str, LeadQuality]
    overall: Verdict


@dataclass(frozen=True, slots=True, eq=False)
class Silence:
    """Leads that carry nothing, or not enough: (12,) masks, of which at most one is True for a lead."""

    flat: BoolArray
    dropout: BoolArray
    faint: BoolArray

    @property
    def any_kind(self) -> BoolArray:
        """Mark leads that cannot be relied upon."""
        return self.flat | self.dropout | self.faint


def _silence(signal: FloatArray) -> Silence:
    """Find leads that are constant throughout, constant for a second, or nearly constant.

    A run of a second always covers a whole half-second block. Blocks are glanced at first, a sample in
    every 50 ms, and runs are only measured where a glance sees nothing move.
    """
    n_leads, n_samples = signal.shape
    faint = _faint(signal)
    block = FLAT_SAMPLES // 2
    glances = signal[:, : n_samples // block * block : _GLANCE_SAMPLES]
    blocks = glances.reshape(n_leads, -1, block // _GLANCE_SAMPLES)
    still = (blocks == blocks[:, :, :1]).all(axis=2)
    flat, dropout = np.zeros((2, n_leads), np.bool_)
    for lead in still.any(axis=1).nonzero()[0]:
        run = _longest_run(signal[lead, 1:] == signal[lead, :-1]) + 1
        flat[lead] = run == n_samples
        dropout[lead] = FLAT_SAMPLES <= run < n_samples
    return Silence(flat, dropout, faint & ~(flat | dropout))


def _faint(signal: FloatArray) -> BoolArray:
    """Find leads of hardly any deviation; it is only measured where mean and mean square do not rule that out."""
    n_samples = signal.shape[1]
    mean_square = np.vecdot(signal, signal) / n_samples
    mean = signal @ np.full(n_samples, 1 / n_samples, np.float32)
    doubtful = mean_square - mean * mean < 4 * MIN_STANDARD_DEVIATION_MV**2 + CANCELLATION * mean_square
    faint: BoolArray = doubtful
    if doubtful.any():
        faint = doubtful & (signal.std(axis=1) < MIN_STANDARD_DEVIATION_MV)
    return faint


def silent_leads(signal: FloatArray) -> BoolArray:
    """Find leads that carry nothing: (12,) True where constant for a second or nearly so throughout."""
    return _silence(signal).any_kind


def _longest_run(mask: BoolArray) -> int:
    edges = np.diff(mask.astype(np.int8), prepend=0, append=0)
    runs = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
    return int(runs.max(initial=0))


def _saturated(signal: FloatArray) -> BoolArray:
    """Find leads that stay at their highest or lowest value for over 100 ms.

    Such a stay covers two glances in a row, a sample in every 50 ms, so runs are only measured where two are alike.
    """
    highest, lowest = signal.max(axis=1), signal.min(axis=1)
    glances = signal[:, ::_GLANCE_SAMPLES]
    stays = (glances[:, 1:] == glances[:, :-1]).any(axis=1)
    saturated = np.zeros(len(signal), np.bool_)
    for lead in (stays & (highest - lowest > MIN_RAIL_RANGE_MV)).nonzero()[0]:
        for rail in (highest[lead], lowest[lead]):
            at_rail = signal[lead] == rail
            if np.count_nonzero(at_rail) > RAIL_SAMPLES:
                saturated[lead] |= _longest_run(at_rail) > RAIL_SAMPLES
    return saturated


def _names(mask: BoolArray) -> list[str]:
    return [lead for lead, found in zip(LEADS, mask, strict=True) if found]


def _reversals(filtered: FloatArray, silent: BoolArray) -> list[Notice]:
    """Compare leads that look alike in a heart on the left with every electrode in place.

    That I and V6 oppose each other does not tell which is wrong. The chest leads tell by themselves: their spikes
    point down in V1 and V2 and up in V5 and V6.
    """
    if silent[_COMPARED].any():
        return []
    # The floor is for silent leads that are not compared.
    norm = np.sqrt(np.maximum(np.vecdot(filtered, filtered), np.finfo(np.float32).tiny))
    likeness = filtered @ filtered[_V6] / (norm * norm[_V6])
    if likeness[_I] < REVERSAL_CORRELATION:
        rise = _rise_over_chest(filtered)
        if rise < -MIN_CHEST_RISE or filtered[_V1] @ filtered[_V5] / (norm[_V1] * norm[_V5]) > likeness[_V5]:
            return [notice(NoticeCode.CHEST_LEADS_REVERSED)]
        return [notice(NoticeCode.LIMB_LEADS_REVERSED if rise > MIN_CHEST_RISE else NoticeCode.ELECTRODES_DOUBTFUL)]
    arm_and_leg = likeness[_II] < REVERSAL_CORRELATION < -REVERSAL_CORRELATION < likeness[_AVR]
    return [notice(NoticeCode.LIMB_LEADS_REVERSED)] if arm_and_leg else []


def _rise_over_chest(filtered: FloatArray) -> float:
    """Return how much more V5 and V6 point up than V1 and V2: difference of summed skewness."""
    leads = filtered[_OUTER_CHEST]
    squares = np.square(leads)
    skewness = (squares * leads).mean(axis=1) / squares.mean(axis=1) ** 1.5
    return float(skewness @ _OUTER_CHEST_SIGNS)


def assess(
    signal: FloatArray, filtered: FilteredLeads, *, law_residual_mv: float | None
) -> tuple[Quality, list[Notice]]:
    """Judge every lead and the whole.

    Parameters
    ----------
    signal
        (12, n_samples) as received, mV.
    filtered
        The same after the filter, with what the filter removed.
    law_residual_mv
        Largest deviation from Einthoven's law; None where voltages are not known, which skips the rules that
        compare with millivolts.
    """
    silence = _silence(signal)
    silent = silence.any_kind
    bad, warn = silent.copy(), np.zeros_like(silent)
    notices = _silence_notices(silence)
    if law_residual_mv is not None:
        saturated = _saturated(signal) & ~silent
        drifting, noisy = filtered.baseline_range > BASELINE_WARN_MV, filtered.noise_rms > NOISE_WARN_MV
        for code, found in (
            (NoticeCode.LEAD_SATURATED, saturated),
            (NoticeCode.BASELINE_WANDER, drifting),
            (NoticeCode.HIGH_FREQUENCY_NOISE, noisy),
        ):
            if found.any():
                notices.append(notice(code, leads=_names(found)))
        warn |= drifting | noisy
        bad |= saturated | (filtered.baseline_range > BASELINE_BAD_MV) | (filtered.noise_rms > NOISE_BAD_MV)
        if law_residual_mv > MAX_LAW_RESIDUAL_MV:
            notices.append(notice(NoticeCode.LIMB_LEADS_INCONSISTENT, residual_mv=round(law_residual_mv, 3)))
    notices += _reversals(filtered.signal, silent)
    return _verdict(bad, warn, noticed=bool(notices)), notices


def _silence_notices(silence: Silence) -> list[Notice]:
    notices: list[Notice] = []
    if not silence.any_kind.any():
        return notices
    if silence.flat.any():
        notices.append(notice(NoticeCode.LEAD_FLAT, leads=_names(silence.flat)))
    if silence.dropout.any():
        minimum_s = FLAT_SAMPLES / SAMPLING_RATE_HZ
        notices.append(notice(NoticeCode.LEAD_DROPOUT, leads=_names(silence.dropout), minimum_s=minimum_s))
    if silence.faint.any():
        minimum_uv = 1000 * MIN_STANDARD_DEVIATION_MV
        notices.append(notice(NoticeCode.LOW_AMPLITUDE, leads=_names(silence.faint), minimum_uv=minimum_uv))
    return notices


def _verdict(bad: BoolArray, warn: BoolArray, *, noticed: bool) -> Quality:
    grades = np.where(bad, 2, warn)
    leads = {lead: _BY_GRADE[grade] for lead, grade in zip(LEADS, grades.tolist(), strict=True)}
    if bad.sum() > MAX_BAD_LEADS:
        overall = Verdict.ABSTAIN
    else:
        overall = Verdict.ACCEPT_WITH_WARNINGS if noticed else Verdict.ACCEPT
    return Quality(MappingProxyType(leads), overall)
