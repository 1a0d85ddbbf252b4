"""One ECG as every group of features wants to see it: computed once."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from app.ecg.analysis import Analysis
from app.ecg.beats import BEAT_LENGTH, BEAT_RATE_HZ, R_INDEX
from app.ecg.measurements import beat_index
from app.ecg.pipeline import PreparedECG
from app.ecg.record import FloatArray

MS: Final = 1000 / BEAT_RATE_HZ
USUAL_T_END_MS: Final = 300.0  # after the QRS, where no T wave was found
T_DELAY_MS: Final = 60.0


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
    """

    prepared: PreparedECG
    analysis: Analysis
    beat: FloatArray
    onset: int
    offset: int
    t_start: int
    t_end: int
    p_bounds: tuple[int, int] | None

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
        return cls(prepared, analysis, analysis.relative_beat, onset, offset, t_start, t_end, p_bounds)

    @property
    def qrs(self) -> FloatArray:
        """(12, n) the QRS complex."""
        return self.beat[:, self.onset : self.offset + 1]

    @property
    def t(self) -> FloatArray:
        """(12, n) the T wave."""
        return self.beat[:, self.t_start : self.t_end + 1]

    def at(self, ms_after_r: npt.NDArray[np.float64]) -> FloatArray:
        """Values between samples: (12, n_times)."""
        position = np.minimum(np.maximum(ms_after_r / MS + R_INDEX, 0), BEAT_LENGTH - 1.001)
        low = position.astype(np.int64)
        share = (position - low).astype(np.float32)
        before, after = self.beat.take(low, axis=1), self.beat.take(low + 1, axis=1)
        return before * (1 - share) + after * share
