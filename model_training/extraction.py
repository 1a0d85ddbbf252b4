"""From signals to the arrays that members learn from, in parallel, every ECG once.

What an ECG gives is kept under a key made of its samples, its patient and the code that reads them, so that a changed
sample or a changed line is never answered from the cache.
"""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np

from app.ecg.analysis import analyse
from app.ecg.errors import ECGError
from app.ecg.features import extract
from app.ecg.pipeline import prepare
from app.ecg.record import N_LEADS, ECGRecord
from app.ml.net import net_input
from model_training.cache import Inputs, read_inputs, write_inputs
from model_training.fingerprint import code_fingerprint
from model_training.sources import DataError, Source
from model_training.training_set import TrainingSet
from model_training.workers import Workers

CACHE_DIR: Final = Path(__file__).resolve().parent / ".cache"
BATCH_SIZE: Final = 16

_NO_WAVEFORM: Final = np.empty((0, N_LEADS), dtype=np.float32)
_UNUSABLE: Final = (np.empty(0, dtype=np.float32), _NO_WAVEFORM)


def extract_all(
    source: Source, workers: Workers, cache_dir: Path | None = CACHE_DIR, *, with_waveforms: bool = True
) -> TrainingSet:
    """Extract what the members need from every labelled ECG of a source.

    Parameters
    ----------
    source : Source
    workers : Workers
        Who computes what is not in the cache.
    cache_dir : Path or None
        Where results are kept; None keeps nothing.
    with_waveforms : bool
        Also keep the waveforms, for a member that looks at them.

    Raises
    ------
    DataError
        If not one ECG is labelled and readable.
    """
    labelled = [index for index, example in enumerate(source.examples) if example.labels]
    found: dict[int, Inputs] = {}
    missing: list[tuple[int, Path]] = []
    for index in labelled:
        place = _place(cache_dir, source.record(index), with_waveforms)
        cached = None if place is None else read_inputs(place)
        if cached is None:
            missing.append((index, place or Path()))
        else:
            found[index] = cached
    batches = [missing[start : start + BATCH_SIZE] for start in range(0, len(missing), BATCH_SIZE)]
    calls = _calls(source, batches, with_waveforms)
    for batch, rows in zip(batches, workers.run(_inputs_of_batch, calls, len(batches), "features"), strict=True):
        for (index, place), inputs in zip(batch, rows, strict=True):
            found[index] = inputs
            if cache_dir is not None:
                write_inputs(place, inputs)
    if not any(features.size for features, _ in found.values()):
        raise DataError("not one ECG of the data is labelled and readable")
    examples = tuple(source.examples[index] for index in labelled)
    return TrainingSet.gather([found[index] for index in labelled], examples, len(source.examples) - len(labelled))


def inputs_of(record: ECGRecord, *, with_waveform: bool) -> Inputs:
    """Features (n_features,) and waveform of one ECG; both empty where the ECG cannot be used."""
    try:
        prepared = prepare(record)
        features = extract(prepared, analyse(prepared))
    except ECGError:
        return _UNUSABLE
    return features, net_input(prepared.filtered) if with_waveform else _NO_WAVEFORM


def cache_key(record: ECGRecord) -> str:
    """Name of an ECG: everything that its features are made from."""
    signal = np.ascontiguousarray(record.signal)
    digest = sha256(f"{signal.shape}{signal.dtype}".encode())
    digest.update(signal.data)
    digest.update(repr((record.sampling_rate_hz, record.leads, record.units, record.patient)).encode())
    return digest.hexdigest()[:32]


def _place(cache_dir: Path | None, record: ECGRecord, with_waveforms: bool) -> Path | None:
    if cache_dir is None:
        return None
    kind = "waveforms" if with_waveforms else "features"
    return cache_dir / kind / code_fingerprint() / f"{cache_key(record)}.npz"


def _inputs_of_batch(records: list[ECGRecord], with_waveforms: bool) -> list[Inputs]:
    return [inputs_of(record, with_waveform=with_waveforms) for record in records]


def _calls(
    source: Source, batches: list[list[tuple[int, Path]]], with_waveforms: bool
) -> Iterator[tuple[list[ECGRecord], bool]]:
    for batch in batches:
        yield [source.record(index) for index, _ in batch], with_waveforms
