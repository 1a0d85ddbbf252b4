"""From tensors to the ECGs of a batch."""

from collections.abc import Mapping
from functools import partial
from typing import Final, cast

import numpy as np

from app.api.parsing.fields import check_fields, make_patient
from app.api.parsing.infer.inputs import Inputs
from app.api.parsing.infer.tensors import Loc, Malformed, Numbers
from app.api.parsing.json_batch import MAX_SAMPLES
from app.core.exceptions import FieldError
from app.ecg.record import MICROVOLTS, MILLIVOLTS, ECGRecord
from app.models.ecg import Batch, Part, PatientFields, Sample
from app.models.oip import SIGNAL

_LOC: Final = ("body", "inputs")
_ONE_ECG: Final = 2
_MANY_ECGS: Final = 3


def split_inputs(inputs: Inputs, size_bytes: int) -> Batch:
    """Cut the tensors at their first dimension.

    Parameters
    ----------
    inputs
        By name.
    size_bytes
        What was received; the samples share it.
    """
    if SIGNAL not in inputs:
        raise Malformed((*_LOC, SIGNAL), "missing")
    signals = _signals(cast("Numbers", inputs[SIGNAL]))
    units = MICROVOLTS if signals.dtype.kind == "i" else MILLIVOLTS
    columns = {name: _column(name, values, len(signals)) for name, values in inputs.items() if name != SIGNAL}
    return Batch(
        parts=tuple(
            Part(
                partial(_read_sample, signal, units, {name: column[index] for name, column in columns.items()}, index),
                size_bytes // len(signals),
            )
            for index, signal in enumerate(signals)
        )
    )


def _signals(values: Numbers) -> Numbers:
    if values.ndim not in {_ONE_ECG, _MANY_ECGS}:
        raise Malformed((*_LOC, SIGNAL), "tensor_signal_shape")
    signals = values[None] if values.ndim == _ONE_ECG else values
    if not 1 <= len(signals) <= MAX_SAMPLES:
        raise Malformed((*_LOC, SIGNAL), "samples_count", max_samples=MAX_SAMPLES)
    if not signals.size:
        raise Malformed((*_LOC, SIGNAL), "signal_empty")
    return signals


def _column(name: str, values: Numbers | list[str], n_samples: int) -> list[object]:
    """Return a value of the patient for every ECG."""
    shape = (len(values),) if isinstance(values, list) else values.shape
    if shape not in {(n_samples,), (n_samples, 1)}:
        raise Malformed((*_LOC, name), "tensor_column_shape", n_samples=n_samples)
    return cast("list[object]", values if isinstance(values, list) else values.reshape(-1).tolist())


def _read_sample(signal: Numbers, units: str, patient: Mapping[str, object], index: int) -> Sample:
    loc: Loc = ("body", "samples", index)
    values = {name: value for name, value in patient.items() if not _is_unknown(value)}
    fields, known, faults = check_fields(PatientFields, values, loc)
    if fields is None:
        return Sample(known=known, faults=faults)
    with np.errstate(over="ignore"):  # beyond float32 becomes infinite, which is refused
        matrix = np.ascontiguousarray(signal, np.float32)
    if not np.isfinite(matrix).all():
        return Sample(known=known, faults=(FieldError(loc=(*loc, SIGNAL), type="signal_not_finite"),))
    return Sample(record=ECGRecord(signal=matrix, units=units, patient=make_patient(known)), known=known)


def _is_unknown(value: object) -> bool:
    """Tell what stands for nothing in a tensor, which cannot have gaps: NaN, and an empty text."""
    return value == "" or (isinstance(value, float) and np.isnan(value))
