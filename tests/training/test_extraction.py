from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.ecg.record import ECGRecord, Patient
from app.ecg.synthetic import synthesize
from model_training import extraction
from model_training.extraction import cache_key, extract_all, inputs_of
from model_training.sources import DataError
from model_training.sources.synthetic import SyntheticECGs
from model_training.workers import Workers

QUIET = Workers(quiet=True)


def test_a_second_extraction_computes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = SyntheticECGs(24)
    first = extract_all(source, QUIET, tmp_path, with_waveforms=False)
    monkeypatch.setattr(extraction, "inputs_of", lambda *_, **__: pytest.fail("computed again"))
    second = extract_all(source, QUIET, tmp_path, with_waveforms=False)
    np.testing.assert_array_equal(first.features, second.features)


def test_a_spoilt_cache_file_is_computed_again(tmp_path: Path) -> None:
    source = SyntheticECGs(24)
    first = extract_all(source, QUIET, tmp_path, with_waveforms=False)
    for path in tmp_path.rglob("*.npz"):
        path.write_bytes(path.read_bytes()[:100])
    second = extract_all(source, QUIET, tmp_path, with_waveforms=False)
    np.testing.assert_array_equal(first.features, second.features)


def test_changed_code_is_not_answered_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extract_all(SyntheticECGs(12), QUIET, tmp_path, with_waveforms=False)
    monkeypatch.setattr(extraction, "code_fingerprint", lambda: "another")
    extract_all(SyntheticECGs(12), QUIET, tmp_path, with_waveforms=False)
    assert len(list(tmp_path.rglob("*.npz"))) == 24


@pytest.mark.parametrize(
    "changed",
    [
        lambda record: replace(record, signal=record.signal + np.float32(0.001)),
        lambda record: replace(record, patient=Patient(age_years=50)),
        lambda record: replace(record, units="uV"),
        lambda record: replace(record, sampling_rate_hz=250.0),
        lambda record: replace(record, signal=record.signal.astype(np.float64)),
    ],
    ids=["signal", "patient", "units", "rate", "type"],
)
def test_the_key_depends_on_everything_that_counts(changed: object) -> None:
    record = synthesize(0)
    assert callable(changed)
    assert cache_key(changed(record)) != cache_key(record)
    assert cache_key(synthesize(0)) == cache_key(record)


def test_an_ecg_that_cannot_be_read_is_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    source = SyntheticECGs(12)
    flat = ECGRecord(signal=np.zeros((5000, 12), np.float32))
    real_record = source.record
    monkeypatch.setattr(source, "record", lambda index: flat if index == 3 else real_record(index))
    learned = extract_all(source, QUIET, None, with_waveforms=False)
    assert (len(learned.examples), learned.n_unusable) == (11, 1)
    assert 4 not in [example.record_id for example in learned.examples]


def test_nothing_readable_at_all_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    source = SyntheticECGs(2)
    monkeypatch.setattr(source, "record", lambda _: ECGRecord(signal=np.zeros((5000, 12), np.float32)))
    with pytest.raises(DataError, match="readable"):
        extract_all(source, QUIET, None)


def test_waveforms_come_only_where_asked_for() -> None:
    record = synthesize(0)
    assert inputs_of(record, with_waveform=False)[1].shape == (0, 12)
    assert inputs_of(record, with_waveform=True)[1].shape == (1000, 12)
