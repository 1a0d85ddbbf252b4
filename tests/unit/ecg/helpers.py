"""ECGs for the tests of the signal code."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from app.ecg.analysis import analyse
from app.ecg.features import extract
from app.ecg.notices import NoticeCode
from app.ecg.pipeline import PreparedECG, prepare
from app.ecg.record import ECGRecord, FloatArray
from app.ecg.synthetic import synthesize


def with_signal(signal: npt.NDArray[Any], **changes: Any) -> ECGRecord:
    """Return a record around a signal."""
    return ECGRecord(signal=signal, **changes)


def normal_signal(**options: Any) -> FloatArray:
    """Return (5000, 12) mV of a healthy synthetic heart."""
    return np.array(synthesize(**options).signal, np.float32)


def codes(prepared: PreparedECG) -> set[NoticeCode]:
    """Return which notices an ECG got."""
    return {notice.code for notice in prepared.notices}


def features_of(record: ECGRecord) -> FloatArray:
    """Return the features from start to end."""
    prepared = prepare(record)
    return extract(prepared, analyse(prepared))


def changed(record: ECGRecord, **changes: Any) -> ECGRecord:
    """Return the record with some fields replaced."""
    return dataclasses.replace(record, **changes)
