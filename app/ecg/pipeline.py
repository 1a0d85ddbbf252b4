"""From an ECG as received to an ECG that can be read: check, order, convert, resample, cut, filter, judge."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, floor
from statistics import median
from typing import Final

import numpy as np
import numpy.typing as npt

from app.ecg.crop import best_start
from app.ecg.errors import ErrorCode, InvalidECG, UnusableECG
from app.ecg.filters import FilteredLeads, band_pass
from app.ecg.leads import in_standard_order
from app.ecg.limb_gains import law_residual, restoring_gains
from app.ecg.notices import Notice, NoticeCode, notice
from app.ecg.quality import MAX_LAW_RESIDUAL_MV, Quality, assess, silent_leads
from app.ecg.record import (
    DURATION_S,
    LIMB_LEADS,
    MICROVOLTS,
    MILLIVOLTS,
    N_SAMPLES,
    SAMPLING_RATE_HZ,
    ECGRecord,
    FloatArray,
    Patient,
)
from app.ecg.resample import to_standard_rate

MIN_DURATION_S: Final = 5
MAX_DURATION_S: Final = 60
MIN_RATE_HZ: Final = 50.0
MAX_RATE_HZ: Final = 20_000.0
MIN_WIDE_BAND_RATE_HZ: Final = 200.0
# Median peak to peak over the leads: PTB-XL lies within 0.43-3.43 mV, z-scores reach 14.
MIN_MEDIAN_RANGE_MV: Final = 0.05
MAX_MEDIAN_RANGE_MV: Final = 20.0
MAX_ABSOLUTE_MV: Final = 1000.0
ADULT_AGE_YEARS: Final = 18
_MV_PER_UNIT: Final = {MILLIVOLTS: 1.0, MICROVOLTS: 0.001}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PreparedECG:
    """Twelve leads in standard order at 500 Hz, with everything that was done to get there.

    Attributes
    ----------
    signal
        (n_samples, 12) float32 mV as received, unfiltered; 5000 samples, fewer for a recording under 10 s.
    filtered
        (n_samples, 12) float32, zero phase 0.5-40 Hz: what measurements and features are made from.
    quality
        Verdict per lead and overall.
    notices
        Every change made and every finding.
    patient
        As in the record.
    voltages_known
        False where the leads came normalised one by one, so that no voltage can be stated.
    """

    signal: FloatArray
    filtered: FloatArray
    quality: Quality
    notices: tuple[Notice, ...]
    patient: Patient
    voltages_known: bool


def prepare(record: ECGRecord) -> PreparedECG:
    """Check an ECG and bring it into standard form; refuse or say what was done, never repair in silence.

    Raises
    ------
    InvalidECG
        The record breaks the signal contract.
    UnusableECG
        Every lead is flat.
    """
    leads = _leads_in_mv(record)
    notices = [notice(NoticeCode.UNITS_CONVERTED, units=record.units)] if record.units != MILLIVOLTS else []
    leads, lead_notices = in_standard_order(leads, tuple(record.leads))
    notices += lead_notices
    leads, time_notices = _at_standard_rate(leads, record.sampling_rate_hz)
    notices += time_notices
    _check_amplitude(leads)
    filtered = band_pass(leads, wide_band=(record.sampling_rate_hz or SAMPLING_RATE_HZ) >= MIN_WIDE_BAND_RATE_HZ)
    if filtered.was_low_passed:
        notices.append(notice(NoticeCode.ALREADY_FILTERED))
    leads, filtered, law_residual_mv = _with_limb_ratios(leads, filtered)
    voltages_known = law_residual_mv is not None
    if not voltages_known:
        notices.append(notice(NoticeCode.LIMB_LEADS_RESCALED))
    quality, findings = assess(leads, filtered, law_residual_mv=law_residual_mv)
    notices += findings
    age_years = record.patient.age_years
    if age_years is not None and age_years < ADULT_AGE_YEARS:
        notices.append(notice(NoticeCode.PAEDIATRIC))
    return PreparedECG(
        signal=leads.T,
        filtered=filtered.signal.T,
        quality=quality,
        notices=tuple(notices),
        patient=record.patient,
        voltages_known=voltages_known,
    )


def _leads_in_mv(record: ECGRecord) -> FloatArray:
    """Turn the matrix into float32 rows in mV, having made sure that nothing overflows on the way."""
    if record.units not in _MV_PER_UNIT:
        raise InvalidECG(ErrorCode.UNKNOWN_UNITS, expected=sorted(_MV_PER_UNIT))
    signal: npt.NDArray[np.generic] = np.asarray(record.signal)
    if signal.dtype.kind not in "iuf":
        raise InvalidECG(ErrorCode.NOT_NUMERIC)
    if signal.ndim != 2 or signal.size == 0:
        raise InvalidECG(ErrorCode.NOT_A_MATRIX, expected=[N_SAMPLES, len(record.leads)])
    _check_sample_count(signal.shape[0], record.sampling_rate_hz)
    highest, lowest = float(signal.max()), float(signal.min())
    if not (np.isfinite(highest) and np.isfinite(lowest)):
        raise InvalidECG(ErrorCode.NON_FINITE)
    mv_per_unit = _MV_PER_UNIT[record.units]
    if max(highest, -lowest) * mv_per_unit > MAX_ABSOLUTE_MV:
        raise _implausible()
    leads = np.ascontiguousarray(signal.T, dtype=np.float32)
    return leads * np.float32(mv_per_unit) if mv_per_unit != 1 else leads


def _implausible() -> InvalidECG:
    return InvalidECG(ErrorCode.IMPLAUSIBLE_AMPLITUDE, minimum_mv=MIN_MEDIAN_RANGE_MV, maximum_mv=MAX_MEDIAN_RANGE_MV)


def _check_sample_count(n_samples: int, sampling_rate_hz: float | None) -> None:
    if sampling_rate_hz is None:
        if n_samples != N_SAMPLES:
            raise InvalidECG(ErrorCode.WRONG_SAMPLE_COUNT, expected=N_SAMPLES, received=n_samples)
        return
    if not MIN_RATE_HZ <= sampling_rate_hz <= MAX_RATE_HZ:
        raise InvalidECG(ErrorCode.INVALID_SAMPLING_RATE, minimum_hz=MIN_RATE_HZ, maximum_hz=MAX_RATE_HZ)
    duration_s = n_samples / sampling_rate_hz
    if duration_s < MIN_DURATION_S:
        raise InvalidECG(ErrorCode.TOO_SHORT, minimum_s=MIN_DURATION_S, received_s=_rounded_s(duration_s, floor))
    if duration_s > MAX_DURATION_S:
        raise InvalidECG(ErrorCode.TOO_LONG, maximum_s=MAX_DURATION_S, received_s=_rounded_s(duration_s, ceil))


def _rounded_s(duration_s: float, away: Callable[[float], int]) -> float:
    """Round to hundredths away from the bound, so that the number never contradicts the refusal."""
    return away(100 * duration_s) / 100


def _at_standard_rate(leads: FloatArray, sampling_rate_hz: float | None) -> tuple[FloatArray, list[Notice]]:
    notices = []
    if sampling_rate_hz is not None and sampling_rate_hz != SAMPLING_RATE_HZ:
        leads = to_standard_rate(leads, sampling_rate_hz)
        notices.append(notice(NoticeCode.RESAMPLED, from_hz=sampling_rate_hz, to_hz=SAMPLING_RATE_HZ))
    n_samples = leads.shape[1]
    if n_samples > N_SAMPLES:
        start = best_start(leads)
        leads = np.ascontiguousarray(leads[:, start : start + N_SAMPLES])
        start_s = start / SAMPLING_RATE_HZ
        notices.append(notice(NoticeCode.CROPPED, start_s=start_s, end_s=start_s + DURATION_S))
    elif n_samples < N_SAMPLES:
        notices.append(notice(NoticeCode.SHORT_RECORDING, duration_s=round(n_samples / SAMPLING_RATE_HZ, 2)))
    return leads, notices


def _check_amplitude(leads: FloatArray) -> None:
    ranges = leads.max(axis=1) - leads.min(axis=1)
    median_range_mv = median(ranges.tolist())
    if median_range_mv > MAX_MEDIAN_RANGE_MV:
        raise _implausible()
    if median_range_mv < MIN_MEDIAN_RANGE_MV:
        if silent_leads(leads).sum() > len(leads) // 2 and float(ranges.max()) >= MIN_MEDIAN_RANGE_MV:
            return  # more than half of the electrodes are off: for the quality verdict to say
        if not ranges.any():
            raise UnusableECG(ErrorCode.FLAT_SIGNAL)
        raise _implausible()


def _with_limb_ratios(leads: FloatArray, filtered: FilteredLeads) -> tuple[FloatArray, FilteredLeads, float | None]:
    """Give the limb leads their ratios back where they were normalised one by one.

    Returns
    -------
    Leads, filtered leads, and the largest deviation from Einthoven's law in mV; None if the ratios were lost.
    """
    n_limb = len(LIMB_LEADS)
    residual_mv = law_residual(leads[:n_limb])
    if residual_mv <= MAX_LAW_RESIDUAL_MV:
        return leads, filtered, residual_mv
    gains = restoring_gains(filtered.signal[:n_limb])
    if gains is None:
        return leads, filtered, residual_mv
    all_gains = np.concatenate([gains, np.ones(len(leads) - n_limb, np.float32)])
    leads = leads.copy()  # it may be the caller's own array
    leads[:n_limb] *= gains[:, np.newaxis]
    filtered.signal[:n_limb] *= gains[:, np.newaxis]
    rescaled = replace(
        filtered, baseline_range=filtered.baseline_range * all_gains, noise_rms=filtered.noise_rms * all_gains
    )
    return leads, rescaled, None
