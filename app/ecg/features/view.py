"""One ECG as every group of features wants to see it: computed once."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from app.ecg.analysis import Analysis
from app.ecg.beats import BEAT_LENGTH, BEAT_RATE_HZ, R_INDEX, IntArray
from app.ecg.measurements import beat_index
from app.ecg.pipeline import PreparedECG
from app.ecg.record import N_LEADS, FloatArray

MS: Final = 1000 / BEAT_RATE_HZ
USUAL_T_END_MS: Final = 300.0  # after the QRS, where no T wave was found
T_DELAY_MS: Final = 60.0
_EVERY_LEAD: Final = np.arange(N_LEADS)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """The relative beat and where its waves lie, as indices into it.

    Attributes
    ----------
    beat
        (12, BEAT_LENGTH) relative to the QRS, zero before it; NaN rows for leads without a signal.
    onset, offset
        First and last sample of the QRS complex.
    t_start, t_end
        First and last sample of T; from the usual place where it was not found.
    p_bounds
        First and last sample of P, None where it was not found.
    qrs, t
        (12, n) the QRS complex and the T wave.
    r_at, s_at
        (12,) where in `qrs` each lead is highest and lowest.
    r, s
        (12,) how high and how low that is.
    qrs_abs_area
        (12,) sum of `qrs` without its signs.
    """

    prepared: PreparedECG
    analysis: Analysis
    beat: FloatArray
    onset: int
    offset: int
    t_start: int
    t_end: int
    p_bounds: tuple[int, int] | None
    qrs: FloatArray
    t: FloatArray
    r_at: IntArray
    s_at: IntArray
    r: FloatArray
    s: FloatArray
    qrs_abs_area: FloatArray

    @classmethod
    def of(cls, prepared: PreparedECG, analysis: Analysis) -> Self:
        """Look at one ECG."""
        f = analysis.fiducials
        onset = max(1, beat_index(f.qrs_onset_ms))
        offset = min(max(beat_index(f.qrs_offset_ms), onset + 5), BEAT_LENGTH - 40)
        t_offset_ms = f.qrs_offset_ms + USUAL_T_END_MS if f.t_offset_ms is None else f.t_offset_ms
        t_start = offset + round(T_DELAY_MS / MS)
        t_end = min(max(beat_index(t_offset_ms), t_start + 10), BEAT_LENGTH - 1)
        p_bounds = None
        if f.p_onset_ms is not None and f.p_offset_ms is not None:
            first = max(0, beat_index(f.p_onset_ms))
            p_bounds = (first, max(beat_index(f.p_offset_ms), first + 5))
        beat = analysis.relative_beat
        qrs = beat[:, onset : offset + 1]
        r_at, s_at = qrs.argmax(axis=1), qrs.argmin(axis=1)
        return cls(
            prepared=prepared,
            analysis=analysis,
            beat=beat,
            onset=onset,
            offset=offset,
            t_start=t_start,
            t_end=t_end,
            p_bounds=p_bounds,
            qrs=qrs,
            t=beat[:, t_start : t_end + 1],
            r_at=r_at,
            s_at=s_at,
            r=qrs[_EVERY_LEAD, r_at],
            s=qrs[_EVERY_LEAD, s_at],
            qrs_abs_area=np.abs(qrs).sum(axis=1),
        )

    def at(self, ms_after_r: npt.NDArray[np.float64]) -> FloatArray:
        """Values between samples: (12, n_times)."""
        position = np.minimum(np.maximum(ms_after_r / MS + R_INDEX, 0), BEAT_LENGTH - 1.001)
        low = position.astype(np.int64)
        share = (position - low).astype(np.float32)
        before, after = self.beat.take(low, axis=1), self.beat.take(low + 1, axis=1)
        return before * (1 - share) + after * share
