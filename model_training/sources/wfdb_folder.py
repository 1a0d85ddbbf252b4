"""PTB-XL as PhysioNet publishes it: two tables and one WFDB record an ECG."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from app.ecg.record import ECGRecord
from model_training.extras import require
from model_training.sources.base import DataError, Example, Protocol, Source
from model_training.sources.ptbxl_tables import (
    DATABASE_FILE,
    LICENCE,
    ORIGIN,
    diagnostic_statements,
    patient_of,
    read_table,
    stated_codes,
    whole_number,
)


class WFDBPTBXL(Source):
    """The published folder; records whose files are not there are left out and counted in `n_missing`.

    Parameters
    ----------
    folder : Path
        Holds `ptbxl_database.csv`, `scp_statements.csv` and `records500/`.
    """

    name: ClassVar[str] = "PTB-XL"
    origin: ClassVar[str] = ORIGIN
    licence: ClassVar[str] = LICENCE
    protocol: ClassVar[Protocol] = Protocol.OFFICIAL_SPLIT

    def __init__(self, folder: Path) -> None:
        self._wfdb = require("wfdb")
        statements = diagnostic_statements(folder)
        self._examples: list[Example] = []
        self._paths: list[Path] = []
        rows = read_table(folder / DATABASE_FILE)
        for row in rows:
            path = folder / row["filename_hr"]
            if not (path.with_suffix(".hea").is_file() and path.with_suffix(".dat").is_file()):
                continue
            codes = stated_codes(row)
            self._paths.append(path)
            self._examples.append(
                Example(
                    record_id=whole_number(row["ecg_id"]),
                    patient_id=whole_number(row["patient_id"]),
                    fold=whole_number(row["strat_fold"]),
                    labels=frozenset(statements[code] for code in codes & statements.keys()),
                    codes=codes,
                    patient=patient_of(row),
                )
            )
        self.n_missing = len(rows) - len(self._examples)
        if not self._examples:
            raise DataError(
                f"{folder} has the tables of PTB-XL but none of its recordings under records500/: "
                "fetch them with `uv run --extra train python -m model_training.download`"
            )

    @property
    def examples(self) -> Sequence[Example]:
        """All records that are there, in the order of `ptbxl_database.csv`."""
        return self._examples

    def record(self, index: int) -> ECGRecord:
        """Read one recording, in mV."""
        record = self._wfdb.rdrecord(str(self._paths[index]), return_res=32)
        return ECGRecord(
            signal=np.asarray(record.p_signal, dtype=np.float32),
            sampling_rate_hz=float(record.fs),
            leads=tuple(record.sig_name),
            patient=self._examples[index].patient,
        )
