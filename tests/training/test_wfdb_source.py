from pathlib import Path

import numpy as np
import pytest

from app.ecg.pipeline import prepare
from app.ecg.synthetic import synthesize
from model_training import extras
from model_training.extras import MissingExtraError, require
from model_training.sources import DataError, open_source
from model_training.sources.base import Protocol
from model_training.sources.wfdb_folder import WFDBPTBXL
from tests.fixtures.ptbxl import UNKNOWN_PERSON, write_wfdb_folder


def test_reads_a_recording_to_the_resolution_of_its_file(tmp_path: Path) -> None:
    source = open_source(str(write_wfdb_folder(tmp_path, 2)))
    assert isinstance(source, WFDBPTBXL)
    prepared = prepare(source.record(1))
    np.testing.assert_allclose(prepared.signal, synthesize(1, pattern="S").signal, atol=0.0006)


def test_labels_come_from_the_diagnostic_statements_alone(tmp_path: Path) -> None:
    source = WFDBPTBXL(write_wfdb_folder(tmp_path, 5))
    assert [example.labels for example in source.examples] == [frozenset(letter) for letter in "NSMCH"]
    assert source.examples[4].codes == {"LVH", "SR"}


def test_follows_the_official_split(tmp_path: Path) -> None:
    assert WFDBPTBXL(write_wfdb_folder(tmp_path, 1)).protocol is Protocol.OFFICIAL_SPLIT


def test_unknown_people_are_unknown(tmp_path: Path) -> None:
    patient = WFDBPTBXL(write_wfdb_folder(tmp_path, 1, UNKNOWN_PERSON)).examples[0].patient
    assert (patient.age_years, patient.sex, patient.height_cm, patient.weight_kg) == (None, None, None, None)
    assert patient.heart_axis == "NO_DATA"


def test_leaves_out_recordings_that_were_not_fetched(tmp_path: Path) -> None:
    folder = write_wfdb_folder(tmp_path, 3)
    (folder / "records500/00000/00002_hr.dat").unlink()
    source = WFDBPTBXL(folder)
    assert [example.record_id for example in source.examples] == [1, 3]
    assert source.n_missing == 1


def test_refuses_tables_without_recordings(tmp_path: Path) -> None:
    folder = write_wfdb_folder(tmp_path, 1)
    (folder / "records500/00000/00001_hr.hea").unlink()
    with pytest.raises(DataError, match=r"model_training\.download"):
        WFDBPTBXL(folder)


def test_a_missing_package_gives_one_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(extras.EXTRA_BY_PACKAGE, "not_there_at_all", "train")
    with pytest.raises(MissingExtraError, match=r"not_there_at_all: run `uv sync --extra train`"):
        require("not_there_at_all")


def test_a_package_that_is_broken_inside_is_not_called_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_inside.py").write_text("import surely_nowhere")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="surely_nowhere"):
        require("broken_inside")
