import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from app.ecg.record import Patient
from model_training import metrics
from model_training.metrics import auc, bootstrap, calibration_error, evaluate
from model_training.sources import Example


def _examples(n: int, **person: object) -> list[Example]:
    return [
        Example(
            record_id=index,
            patient_id=index // 2,
            fold=1 + index % 3,
            labels=frozenset("N"),
            codes=frozenset(),
            patient=Patient(**{"age_years": 20.0 + index % 70, "sex": index % 2, **person}),  # type: ignore[arg-type]
        )
        for index in range(n)
    ]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=60))
def test_auc_is_scikit_learns_with_ties(pairs: list[tuple[bool, int]]) -> None:
    labels = np.array([label for label, _ in pairs], dtype=np.int8)
    scores = np.array([score for _, score in pairs], dtype=np.float64)
    if labels.min() == labels.max():
        assert np.isnan(auc(labels, scores))
    else:
        assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))


def test_calibration_error_of_honest_probabilities_is_nothing() -> None:
    labels = np.tile(np.array([1, 0, 0, 0], dtype=np.int8), 100)
    assert calibration_error(labels, np.full(400, 0.25)) == pytest.approx(0.0)


def test_calibration_error_is_the_gap_between_said_and_found() -> None:
    labels = np.zeros(100, dtype=np.int8)
    assert calibration_error(labels, np.full(100, 0.3)) == pytest.approx(0.3)
    assert calibration_error(labels, np.ones(100)) == pytest.approx(1.0)


def test_bootstrap_draws_all_records_of_a_person_together() -> None:
    patients = np.array([7, 7, 3, 3, 9, 9])
    counts = bootstrap(patients, lambda rows: np.bincount(rows, minlength=6).astype(np.float64))
    np.testing.assert_array_equal(counts[:, ::2], counts[:, 1::2])
    assert set(counts.sum(axis=1)) == {6}


def test_evaluation_counts_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "BOOTSTRAP_ROUNDS", 20)
    labels = np.array([[1, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 1, 1, 0, 0], [0, 1, 0, 1, 1]] * 10, dtype=np.int8)
    probabilities = np.where(labels == 1, 0.8, 0.2).astype(np.float64)
    probabilities[1::4] = [0.2, 0.9, 0.2, 0.2, 0.2]  # a normal ECG called STTC
    result = evaluate(labels, probabilities, _examples(40), np.full(5, 0.5), "by hand")
    assert result.classes["N"].recall.value == 0.5
    assert result.classes["S"].precision == pytest.approx(2 / 3)
    assert result.classes["S"].f1 == pytest.approx(0.8)
    assert result.classes["S"].specificity == 0.5
    assert result.classes["M"].auc.value == 1.0
    assert result.exact_set_accuracy == 0.75
    assert (result.records, result.patients, result.folds) == (40, 20, [1, 2, 3])


def test_groups_that_are_too_small_get_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "BOOTSTRAP_ROUNDS", 5)
    labels = np.eye(5, dtype=np.int8)[np.arange(40) % 5]
    probabilities = (labels * 0.8 + 0.1).astype(np.float64)
    result = evaluate(labels, probabilities, _examples(40, age_years=30.0, sex=None), np.full(5, 0.5), "small")
    assert [group.group for group in result.groups] == ["age under 40"]
    assert result.groups[0].macro_auc is None
    assert set(result.groups[0].recall.values()) == {None}
