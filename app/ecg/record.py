"""One ECG as it came in: the signal, how it was sampled, and who it belongs to."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

LEADS: Final = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
LIMB_LEADS: Final = LEADS[:6]
CHEST_LEADS: Final = LEADS[6:]
N_LEADS: Final = len(LEADS)
SAMPLING_RATE_HZ: Final = 500
DURATION_S: Final = 10
N_SAMPLES: Final = SAMPLING_RATE_HZ * DURATION_S

NO_HEART_AXIS: Final = "NO_DATA"
HEART_AXES: Final = ("ALAD", "ARAD", "AXL", "AXR", "LAD", "MID", "RAD", "SAG", NO_HEART_AXIS)

MILLIVOLTS: Final = "mV"
MICROVOLTS: Final = "uV"


@dataclass(frozen=True, kw_only=True, slots=True)
class Patient:
    """What is known about the person; None means unknown.

    Attributes
    ----------
    age_years
        0-120.
    sex
        0 female, 1 male.
    height_cm, weight_kg
        30-272 and 1-700.
    heart_axis
        One of `HEART_AXES`, as stated by whoever recorded the ECG.
    """

    age_years: float | None = None
    sex: int | None = None
    height_cm: float | None = None
    weight_kg: float | None = None
    heart_axis: str = NO_HEART_AXIS


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ECGRecord:
    """A 12-lead ECG before any check.

    Attributes
    ----------
    signal
        (n_samples, n_leads), in `units`; float or integer.
    sampling_rate_hz
        None promises the plain contract: 500 Hz and exactly 5000 samples.
    leads
        Name of each column, in the order of the columns; case does not matter.
    units
        "mV" or "uV".
    """

    signal: npt.NDArray[np.floating] | npt.NDArray[np.integer]
    sampling_rate_hz: float | None = None
    leads: tuple[str, ...] = LEADS
    units: str = MILLIVOLTS
    patient: Patient = field(default_factory=Patient)
