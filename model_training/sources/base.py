"""What every source of training ECGs offers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from app.ecg.record import ECGRecord, Patient


class DataError(Exception):
    """The training data are missing, incomplete or not what they should be; the text says what to do."""


class Protocol(StrEnum):
    """How a set of records is divided between learning and judging."""

    CROSS_VALIDATION = "leave one fold out"
    OFFICIAL_SPLIT = "official split"


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One labelled ECG, without its signal.

    Attributes
    ----------
    labels
        Letters of the superclasses, a subset of "NSMCH"; empty where the record has none.
    codes
        All statements of the report, such as "IRBBB" or "AFIB": finer than the labels, and more than they say.
    fold
        Stratified fold, 1-10; the records of one patient share a fold.
    """

    record_id: int
    patient_id: int
    fold: int
    labels: frozenset[str]
    codes: frozenset[str]
    patient: Patient


class Source(ABC):
    """Labelled ECGs, whose signals are read one at a time."""

    name: ClassVar[str]
    origin: ClassVar[str]
    licence: ClassVar[str]
    synthetic: ClassVar[bool] = False
    protocol: ClassVar[Protocol] = Protocol.CROSS_VALIDATION

    @property
    @abstractmethod
    def examples(self) -> Sequence[Example]:
        """All records, labelled or not, in a fixed order."""

    @abstractmethod
    def record(self, index: int) -> ECGRecord:
        """Signal and patient of `examples[index]`."""


SUPERCLASS_LETTERS: Mapping[str, str] = {"NORM": "N", "STTC": "S", "MI": "M", "CD": "C", "HYP": "H"}
"""PTB-XL's names of the superclasses, by the letters of the service."""
