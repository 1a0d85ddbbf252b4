"""Which source a `--data` argument means."""

from pathlib import Path
from typing import Final

from model_training.sources.base import DataError, Source
from model_training.sources.packed import RECORDS_FILE, PackedPTBXL
from model_training.sources.ptbxl_tables import DATABASE_FILE
from model_training.sources.synthetic import DEFAULT_RECORDS, SyntheticECGs
from model_training.sources.wfdb_folder import WFDBPTBXL

SYNTHETIC: Final = "synthetic"


def open_source(data: str, *, seed: int = 0, n_synthetic: int = DEFAULT_RECORDS) -> Source:
    """Open the ECGs that `data` names.

    Parameters
    ----------
    data : str
        A folder of PTB-XL, published or packed, or the word "synthetic".
    seed, n_synthetic : int
        Of the generator.

    Raises
    ------
    DataError
        If the folder is missing or holds neither layout.
    """
    if data == SYNTHETIC:
        return SyntheticECGs(n_synthetic, seed)
    folder = Path(data)
    if not folder.is_dir():
        raise DataError(
            f"there is no folder {folder}: give a PTB-XL folder with --data, fetch PTB-XL with "
            "`uv run --extra train python -m model_training.download`, or train with --data synthetic"
        )
    if (folder / RECORDS_FILE).is_file():
        return PackedPTBXL(folder)
    if (folder / DATABASE_FILE).is_file():
        return WFDBPTBXL(folder)
    raise DataError(f"{folder} holds neither {RECORDS_FILE} (packed) nor {DATABASE_FILE} (as published)")
