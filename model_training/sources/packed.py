"""A part of PTB-XL packed into two npz files, described by `records.csv`.

Signals are first differences along time, int16: unfiltered ones in microvolts, filtered ones as z-scores per lead times
1000. Both go through the service's own preparation, which recognises leads that were normalised one by one.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from app.ecg.record import ECGRecord
from model_training.sources.base import SUPERCLASS_LETTERS, DataError, Example, Source
from model_training.sources.ptbxl_tables import (
    DATABASE_FILE,
    LICENCE,
    ORIGIN,
    patient_of,
    read_table,
    stated_codes,
    whole_number,
)

RECORDS_FILE: Final = "records.csv"
SIGNAL_FILES: Final = {"raw": "raw_500hz.npz", "filtered": "filtered_500hz.npz"}
_COUNTS_PER_UNIT: Final = 1000  # microvolts per millivolt, or steps per standard deviation


class PackedPTBXL(Source):
    """PTB-XL records packed as first differences.

    Parameters
    ----------
    folder : Path
        Holds `records.csv` and the npz files its rows name; a `ptbxl_database.csv` beside them adds the statements.
    """

    name: ClassVar[str] = "PTB-XL (packed part)"
    origin: ClassVar[str] = ORIGIN
    licence: ClassVar[str] = LICENCE

    def __init__(self, folder: Path) -> None:
        rows = read_table(folder / RECORDS_FILE)
        codes = _codes_by_id(folder)
        self._examples = [_example(row, codes) for row in rows]
        self._kinds = [row["signal"] for row in rows]
        self._packs = {kind: _Pack(folder / SIGNAL_FILES[kind]) for kind in sorted(set(self._kinds))}

    @property
    def examples(self) -> Sequence[Example]:
        """All records in the order of `records.csv`."""
        return self._examples

    def record(self, index: int) -> ECGRecord:
        """Unpack one signal: mV, or z-scores where the record was filtered."""
        example = self._examples[index]
        counts = self._packs[self._kinds[index]].counts(example.record_id)
        return ECGRecord(signal=counts.astype(np.float32) / _COUNTS_PER_UNIT, patient=example.patient)


class _Pack:
    """One npz file, its differences in memory, summed up a record at a time."""

    def __init__(self, path: Path) -> None:
        try:
            with np.load(path) as archive:
                ids, self._differences = archive["ecg_id"], archive["delta"]
        except (OSError, KeyError, ValueError) as error:
            raise DataError(f"{path} is missing or not a pack of signals") from error
        self._rows = {int(record_id): row for row, record_id in enumerate(ids)}

    def counts(self, record_id: int) -> NDArray[np.int16]:
        """Signal of one record, (5000, 12); the sum wraps exactly as the packing did."""
        if record_id not in self._rows:
            raise DataError(f"record {record_id} is listed but not packed")
        signal: NDArray[np.int16] = np.cumsum(self._differences[self._rows[record_id]], axis=1, dtype=np.int16)
        return signal.T


def _codes_by_id(folder: Path) -> dict[int, frozenset[str]]:
    if not (folder / DATABASE_FILE).is_file():
        return {}
    return {whole_number(row["ecg_id"]): stated_codes(row) for row in read_table(folder / DATABASE_FILE)}


def _example(row: Mapping[str, str], codes: Mapping[int, frozenset[str]]) -> Example:
    record_id = whole_number(row["ecg_id"])
    return Example(
        record_id=record_id,
        patient_id=whole_number(row["patient_id"]),
        fold=whole_number(row["strat_fold"]),
        labels=frozenset(letter for name, letter in SUPERCLASS_LETTERS.items() if float(row[name]) == 1),
        codes=codes.get(record_id, frozenset()),
        patient=patient_of(row),
    )
