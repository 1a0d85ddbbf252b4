"""How far each lead can be trusted. Thresholds were set on 500 recordings of PTB-XL."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from app.ecg.filters import FilteredLeads
from app.ecg.limb_gains import law_residual
from app.ecg.notices import Notice, NoticeCode, notice
from app.ecg.record import LEADS, LIMB_LEADS, SAMPLING_RATE_HZ, FloatArray

BoolArray = npt.NDArray[np.bool_]

MIN_STANDARD_DEVIATION_MV: Final = 0.010
FLAT_SAMPLES: Final = SAMPLING_RATE_HZ  # 1 s; the longest constant run of a clean lead is 0.33 s
RAIL_SAMPLES: Final = SAMPLING_RATE_HZ // 10
MIN_RAIL_RANGE_MV: Final = 2.0
BASELINE_WARN_MV: Final = 1.0
BASELINE_BAD_MV: Final = 3.0
NOISE_WARN_MV: Final = 0.040
NOISE_BAD_MV: Final = 0.100
MAX_LAW_RESIDUAL_MV: Final = 0.05
REVERSAL_CORRELATION: Final = -0.3
MAX_BAD_LEADS: Final = 3

_COMPARED: Final = [LEADS.index(lead) for lead in ("I", "II", "aVR", "V1", "V5", "V6")]
_I, _II, _AVR, _V1, _V5, _V6 = range(len(_COMPARED))


class LeadQuality(StrEnum):
    """Verdict on one lead."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


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


def flat_leads(signal: FloatArray) -> BoolArray:
    """Find leads that carry nothing: (12,) True where constant for a second or nearly so throughout.

    A run of a second always covers a whole half-second block, so blocks are looked at first and
    runs are only measured where one is constant.
    """
    n_leads, n_samples = signal.shape
    flat: BoolArray = signal.std(axis=1) < MIN_STANDARD_DEVIATION_MV
    block = FLAT_SAMPLES // 2
    blocks = signal[:, : n_samples // block * block].reshape(n_leads, -1, block)
    suspects = ~flat & (blocks.max(axis=2) == blocks.min(axis=2)).any(axis=1)
    for lead in np.flatnonzero(suspects):
        flat[lead] = _longest_run(signal[lead, 1:] == signal[lead, :-1]) + 1 >= FLAT_SAMPLES
    return flat


def _longest_run(mask: BoolArray) -> int:
    edges = np.diff(mask.astype(np.int8), prepend=0, append=0)
    runs = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
    return int(runs.max(initial=0))


def _saturated(signal: FloatArray) -> BoolArray:
    """Find leads that stay at their highest or lowest value for over 100 ms."""
    highest, lowest = signal.max(axis=1), signal.min(axis=1)
    saturated = np.zeros(len(signal), np.bool_)
    for lead in np.flatnonzero(highest - lowest > MIN_RAIL_RANGE_MV):
        for rail in (highest[lead], lowest[lead]):
            at_rail = signal[lead] == rail
            if np.count_nonzero(at_rail) > RAIL_SAMPLES:
                saturated[lead] |= _longest_run(at_rail) > RAIL_SAMPLES
    return saturated


def _names(mask: BoolArray) -> list[str]:
    return [lead for lead, found in zip(LEADS, mask, strict=True) if found]


def _reversals(filtered: FloatArray, flat: BoolArray) -> list[Notice]:
    """Compare leads that look alike in a heart on the left with every electrode in place."""
    if flat[_COMPARED].any():
        return []
    leads = filtered[_COMPARED]
    norm = np.sqrt(np.square(leads).sum(axis=1))
    likeness = leads @ leads.T / np.outer(norm, norm)
    if likeness[_I, _V6] < REVERSAL_CORRELATION and likeness[_V1, _V5] > likeness[_V6, _V5]:
        return [notice(NoticeCode.CHEST_LEADS_REVERSED)]
    arms = likeness[_I, _V6] < REVERSAL_CORRELATION
    arm_and_leg = likeness[_II, _V6] < REVERSAL_CORRELATION < -REVERSAL_CORRELATION < likeness[_AVR, _V6]
    return [notice(NoticeCode.LIMB_LEADS_REVERSED)] if arms or arm_and_leg else []


def assess(signal: FloatArray, filtered: FilteredLeads, *, voltages_known: bool) -> tuple[Quality, list[Notice]]:
    """Judge every lead and the whole.

    Parameters
    ----------
    signal
        (12, n_samples) as received, mV.
    filtered
        The same after the filter, with what the filter removed.
    voltages_known
        False skips the rules that compare with millivolts.
    """
    flat = flat_leads(signal)
    bad, warn = flat.copy(), np.zeros_like(flat)
    notices = [notice(NoticeCode.LEAD_FLAT, leads=_names(flat))] if flat.any() else []
    if voltages_known:
        saturated = _saturated(signal) & ~flat
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
        residual_mv = law_residual(signal[: len(LIMB_LEADS)])
        if residual_mv > MAX_LAW_RESIDUAL_MV:
            notices.append(notice(NoticeCode.LIMB_LEADS_INCONSISTENT, residual_mv=round(residual_mv, 3)))
    notices += _reversals(filtered.signal, flat)
    return _verdict(bad, warn, noticed=bool(notices)), notices


def _verdict(bad: BoolArray, warn: BoolArray, *, noticed: bool) -> Quality:
    leads = {
        lead: LeadQuality.BAD if is_bad else LeadQuality.WARN if is_warn else LeadQuality.OK
        for lead, is_bad, is_warn in zip(LEADS, bad.tolist(), warn.tolist(), strict=True)
    }
    if bad.sum() > MAX_BAD_LEADS:
        overall = Verdict.ABSTAIN
    else:
        overall = Verdict.ACCEPT_WITH_WARNINGS if noticed else Verdict.ACCEPT
    return Quality(MappingProxyType(leads), overall)
