from pathlib import Path

import numpy as np
import pytest

from app.ecg.record import HEART_AXES
from model_training.sources import DataError, open_source
from model_training.sources.base import Protocol
from model_training.sources.packed import PackedPTBXL
from tests.fixtures.ptbxl import packed_rows, write_packed_folder


def _counts(n_records: int) -> np.ndarray:
    return np.random.default_rng(0).integers(-30000, 30000, (n_records, 5000, 12)).astype(np.int16)


def _one(folder: Path, **person: str) -> PackedPTBXL:
    return PackedPTBXL(write_packed_folder(folder, packed_rows(1, **person), {"raw": _counts(1)}))


class TestSignals:
    def test_gives_back_every_sample_even_where_the_differences_wrapped(self, tmp_path: Path) -> None:
        counts = _counts(2)
        source = PackedPTBXL(write_packed_folder(tmp_path, packed_rows(2), {"raw": counts}))
        record = source.record(1)
        assert record.signal.shape == (5000, 12)
        np.testing.assert_array_equal(record.signal, counts[1].astype(np.float32) / 1000)

    def test_finds_each_record_in_the_pack_of_its_kind(self, tmp_path: Path) -> None:
        raw, filtered = _counts(1), _counts(2)[1:]
        rows = [packed_rows(1)[0], {**packed_rows(2, kind="filtered")[1]}]
        source = PackedPTBXL(write_packed_folder(tmp_path, rows, {"raw": raw, "filtered": filtered}))
        np.testing.assert_array_equal(source.record(1).signal, filtered[0].astype(np.float32) / 1000)

    def test_needs_only_the_packs_that_are_listed(self, tmp_path: Path) -> None:
        source = PackedPTBXL(write_packed_folder(tmp_path, packed_rows(1), {"raw": _counts(1)}))
        assert not (tmp_path / "filtered_500hz.npz").exists()
        assert len(source.examples) == 1

    def test_refuses_a_record_that_is_listed_but_not_packed(self, tmp_path: Path) -> None:
        rows = packed_rows(2)
        folder = write_packed_folder(tmp_path, rows[:1], {"raw": _counts(1)})
        source = PackedPTBXL(write_packed_folder(folder, rows, {}))
        with pytest.raises(DataError, match="record 2"):
            source.record(1)

    def test_refuses_a_missing_pack(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"raw_500hz\.npz"):
            PackedPTBXL(write_packed_folder(tmp_path, packed_rows(1), {}))


class TestPeople:
    @pytest.mark.parametrize(("coded", "sex"), [("0", 1), ("1", 0), ("0.0", 1), ("1.0", 0), ("", None), ("7", None)])
    def test_turns_the_coding_of_sex_round(self, tmp_path: Path, coded: str, sex: int | None) -> None:
        assert _one(tmp_path, sex=coded).examples[0].patient.sex == sex

    @pytest.mark.parametrize(
        ("written", "age_years"), [("56.0", 56.0), ("300.0", 90.0), ("", None), ("nan", None), ("-3", None), ("0", 0.0)]
    )
    def test_takes_the_age_300_for_90_and_nonsense_for_unknown(
        self, tmp_path: Path, written: str, age_years: float | None
    ) -> None:
        assert _one(tmp_path, age=written).examples[0].patient.age_years == age_years

    def test_takes_missing_and_impossible_sizes_for_unknown(self, tmp_path: Path) -> None:
        patient = _one(tmp_path, height="6.0", weight="").examples[0].patient
        assert patient.height_cm is None
        assert patient.weight_kg is None

    @pytest.mark.parametrize(("written", "axis"), [("LAD", "LAD"), ("", "NO_DATA"), ("XYZ", "NO_DATA")])
    def test_takes_an_axis_outside_the_list_for_no_data(self, tmp_path: Path, written: str, axis: str) -> None:
        assert _one(tmp_path, heart_axis=written).examples[0].patient.heart_axis == axis


class TestLabels:
    def test_reads_the_flags_and_the_fold(self, tmp_path: Path) -> None:
        rows = packed_rows(2)
        rows[1].update(MI=1, strat_fold="3.0")
        source = PackedPTBXL(write_packed_folder(tmp_path, rows, {"raw": _counts(2)}))
        assert [example.labels for example in source.examples] == [frozenset("N"), frozenset("SM")]
        assert [example.fold for example in source.examples] == [1, 3]

    def test_works_without_the_full_tables(self, tmp_path: Path) -> None:
        assert _one(tmp_path).examples[0].codes == frozenset()


class TestOpening:
    def test_recognises_the_layout(self, tmp_path: Path) -> None:
        write_packed_folder(tmp_path, packed_rows(1), {"raw": _counts(1)})
        source = open_source(str(tmp_path))
        assert isinstance(source, PackedPTBXL)
        assert source.protocol is Protocol.CROSS_VALIDATION

    def test_refuses_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"model_training\.download"):
            open_source(str(tmp_path / "nowhere"))

    def test_refuses_a_folder_of_neither_layout(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="neither"):
            open_source(str(tmp_path))


@pytest.fixture(scope="module")
def real_records(shared_dir: Path) -> PackedPTBXL:
    return PackedPTBXL(shared_dir / "data" / "ptbxl")


@pytest.mark.shared
class TestRealRecords:
    def test_reads_all_records(self, real_records: PackedPTBXL) -> None:
        assert len(real_records.examples) == 2068
        assert sum(bool(example.labels) for example in real_records.examples) == 2058

    def test_sexes_are_in_the_services_coding(self, real_records: PackedPTBXL) -> None:
        assert [sum(example.patient.sex == sex for example in real_records.examples) for sex in (0, 1)] == [1058, 1010]

    def test_no_patient_crosses_folds(self, real_records: PackedPTBXL) -> None:
        folds: dict[int, set[int]] = {}
        for example in real_records.examples:
            folds.setdefault(example.patient_id, set()).add(example.fold)
        assert max(len(one) for one in folds.values()) == 1

    def test_axes_are_in_the_contracts_list(self, real_records: PackedPTBXL) -> None:
        assert {example.patient.heart_axis for example in real_records.examples} <= set(HEART_AXES)

    def test_limb_leads_of_raw_records_obey_einthoven(self, real_records: PackedPTBXL) -> None:
        signal = real_records.record(0).signal
        assert np.median(np.abs(signal[:, 2] - (signal[:, 1] - signal[:, 0]))) <= 0.001
