"""What was done to a signal, and what was found wrong with it, in a form a caller can translate."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class NoticeCode(StrEnum):
    """Stable names of every notice, with the parameters each one carries."""

    # changes made to the signal
    LEADS_REORDERED = "leads_reordered"
    LEADS_DERIVED = "leads_derived"  # leads, sources
    LEADS_IGNORED = "leads_ignored"  # count
    UNITS_CONVERTED = "units_converted"  # units
    RESAMPLED = "resampled"  # from_hz, to_hz
    CROPPED = "cropped"  # start_s, end_s
    LIMB_LEADS_RESCALED = "limb_leads_rescaled"

    # findings
    ALREADY_FILTERED = "already_filtered"
    SHORT_RECORDING = "short_recording"  # duration_s
    LEAD_FLAT = "lead_flat"  # leads
    LEAD_DROPOUT = "lead_dropout"  # leads, minimum_s
    LOW_AMPLITUDE = "low_amplitude"  # leads, minimum_uv
    LEAD_SATURATED = "lead_saturated"  # leads
    BASELINE_WANDER = "baseline_wander"  # leads
    HIGH_FREQUENCY_NOISE = "high_frequency_noise"  # leads
    LIMB_LEADS_INCONSISTENT = "limb_leads_inconsistent"  # residual_mv
    LIMB_LEADS_REVERSED = "limb_leads_reversed"
    CHEST_LEADS_REVERSED = "chest_leads_reversed"
    ELECTRODES_DOUBTFUL = "electrodes_doubtful"
    SAMPLING_RATE_SUSPECT = "sampling_rate_suspect"  # heart_rate_bpm, qrs_duration_ms
    PAEDIATRIC = "paediatric"


@dataclass(frozen=True, slots=True)
class Notice:
    """One remark about one ECG.

    Attributes
    ----------
    code
        Stable snake_case name.
    params
        Numbers and lead names for the sentence.
    """

    code: NoticeCode
    params: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


def notice(code: NoticeCode, **params: object) -> Notice:
    """Build a notice from keyword parameters."""
    return Notice(code, MappingProxyType(params))
