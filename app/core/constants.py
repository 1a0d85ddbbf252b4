"""Names and numbers that the whole service agrees on."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

API_PREFIX: Final = "/api/v1"
OIP_PREFIX: Final = "/v2"
"""The Open Inference Protocol has its own addresses."""
PROBES: Final = frozenset(
    {
        "/health/live",
        "/health/ready",
        f"{API_PREFIX}/health",
        f"{OIP_PREFIX}/health/live",
        f"{OIP_PREFIX}/health/ready",
    }
)
"""What orchestrators ask all the time: counted against no limit, logged at debug level."""

SUPERCLASS_DESCRIPTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "N": "Normal ECG",
        "S": "STTC",
        "M": "Myocardial infarction",
        "C": "Conduction disturbance",
        "H": "Hypertrophy",
    }
)
"""PTB-XL superclasses by letter, in the order of the model's five outputs."""

SUPERCLASSES: Final[tuple[str, ...]] = tuple(SUPERCLASS_DESCRIPTIONS)
NORMAL: Final = "N"

CLASS_NAMES: Final[tuple[str, ...]] = (
    "N", "S", "MS", "C", "MC", "CS", "M", "H", "MHS", "MHCS", "HC", "MCS", "HS", "HCS", "MH", "MHC",
)  # fmt: skip
"""The sixteen sets of superclasses an ECG may be given; the position is the class index of the API."""

CLASS_DESCRIPTIONS: Final[tuple[str, ...]] = tuple(
    " + ".join(SUPERCLASS_DESCRIPTIONS[letter] for letter in name) for name in CLASS_NAMES
)

CLASS_INDEX_BY_LETTERS: Final[Mapping[frozenset[str], int]] = MappingProxyType(
    {frozenset(name): index for index, name in enumerate(CLASS_NAMES)}
)
"""Class index of a set of superclass letters, in whatever order a decision names them."""


class Role(StrEnum):
    """What an account is for."""

    PATIENT = "patient"
    DOCTOR = "doctor"
    ADMIN = "admin"


class Scope(StrEnum):
    """What an API key may be used for; without any it only says whose it is."""

    PREDICT = "predict"
    HISTORY_READ = "history:read"
    ADMIN = "admin"


class AppointmentStatus(StrEnum):
    """How far an appointment has come."""

    BOOKED = "booked"
    CONFIRMED = "confirmed"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"


ACTIVE_APPOINTMENTS: Final = (AppointmentStatus.BOOKED, AppointmentStatus.CONFIRMED)
"""What takes time of a doctor and of a patient."""
MAX_ID: Final = 2**63 - 1
"""Number of a row: what both databases hold."""
MAX_NOTE_CHARACTERS: Final = 1_000


class RequestType(StrEnum):
    """How many ECGs the request that made a history row carried."""

    SINGLE = "single"
    BATCH = "batch"


class Source(StrEnum):
    """The form in which an ECG arrived."""

    JSON = "json"
    NPY = "npy"
    RAW = "raw"
    FORM = "form"
    OIP = "oip"
    UNKNOWN = "unknown"
