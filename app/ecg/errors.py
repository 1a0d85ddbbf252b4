"""Why an ECG is turned away. The sentences live with the caller, keyed by code."""

from enum import StrEnum


class ErrorCode(StrEnum):
    """Stable names of every refusal, with the parameters each one carries."""

    NOT_A_MATRIX = "not_a_matrix"  # expected
    NOT_NUMERIC = "not_numeric"
    UNKNOWN_UNITS = "unknown_units"  # expected
    DUPLICATE_LEAD = "duplicate_lead"  # lead
    MISSING_LEADS = "missing_leads"  # leads
    WRONG_LEAD_COUNT = "wrong_lead_count"  # expected, received
    WRONG_SAMPLE_COUNT = "wrong_sample_count"  # expected, received
    INVALID_SAMPLING_RATE = "invalid_sampling_rate"  # minimum_hz, maximum_hz
    TOO_SHORT = "too_short"  # minimum_s, received_s
    TOO_LONG = "too_long"  # maximum_s, received_s
    NON_FINITE = "non_finite"
    IMPLAUSIBLE_AMPLITUDE = "implausible_amplitude"  # minimum_mv, maximum_mv

    FLAT_SIGNAL = "flat_signal"
    NO_BEATS = "no_beats"


class ECGError(Exception):
    """An ECG that cannot be classified.

    Attributes
    ----------
    code
        Stable snake_case name of the reason.
    params
        Numbers and lead names for the sentence; never samples or patient data.
    """

    def __init__(self, code: ErrorCode, **params: object) -> None:
        super().__init__(code.value)
        self.code = code
        self.params = params


class InvalidECG(ECGError):
    """The input breaks the signal contract."""


class UnusableECG(ECGError):
    """The input keeps the contract, but no heartbeat can be read from it."""
