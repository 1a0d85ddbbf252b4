from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, logit

from app.core.constants import SUPERCLASSES
from app.ecg.features import FEATURE_NAMES
from app.ecg.pipeline import prepare
from app.ecg.record import Patient
from app.ecg.synthetic import synthesize
from app.ml.forest import MalformedTreesError
from app.ml.statements import MAX_LOGIT, StatementBoosting, superclass_logits
from model_training.sources import Example
from model_training.statements import ATRIAL_FEATURES, StatementBoosters, statement_targets
from model_training.training_set import TrainingSet

N_RECORDS = 240
HYPERTROPHY = SUPERCLASSES.index("H")
RECIPE = StatementBoosters(min_positives=20, n_rounds=5)


def test_a_superclass_is_absent_only_if_all_its_statements_are() -> None:
    present = np.array([0.9, 0.2, 0.3, 0.1, 0.5, 0.6])
    expected = [0.9, 1 - 0.8 * 0.7, 0.1, 0.5, 0.6]
    first = np.array([0, 1, 3, 4, 5])
    np.testing.assert_allclose(expit(superclass_logits(logit(present), first)), expected, rtol=1e-12)


def test_certainty_ends_at_one_in_a_thousand() -> None:
    logits = superclass_logits(np.array([-800.0, 800.0, 0.0, -50.0, 50.0]), np.arange(5))
    np.testing.assert_allclose(logits, [-MAX_LOGIT, MAX_LOGIT, 0, -MAX_LOGIT, MAX_LOGIT], atol=1e-12)


def labelled(features: NDArray[np.float32], cases: Sequence[tuple[str, set[str]]]) -> TrainingSet:
    """A record a row of `features`, with the superclasses and the statements of its case."""
    examples = tuple(
        Example(
            record_id=index,
            patient_id=index,
            fold=1,
            labels=frozenset(superclasses),
            codes=frozenset(statements),
            patient=Patient(),
        )
        for index, (superclasses, statements) in enumerate(cases)
    )
    return TrainingSet.gather([(row, np.empty((0, 12), np.float32)) for row in features], examples, 0)


def test_a_statement_belongs_where_all_its_records_do() -> None:
    cases = [("H", {"LVH"}), ("H", {"LVH", "VCLVH"}), ("H", set()), ("CH", {"VCLVH"}), ("C", {"VCLVH"})]
    targets = statement_targets(labelled(np.zeros((5, 1), np.float32), cases), HYPERTROPHY, min_positives=2)
    assert [target.code for target in targets] == ["LVH", None]
    np.testing.assert_array_equal([target.flags for target in targets], [[1, 1, 0, 0, 0], [0, 0, 1, 1, 0]])


def test_without_common_statements_the_superclass_is_learnt_itself() -> None:
    cases: list[tuple[str, set[str]]] = [("H", set()), ("N", set()), ("H", set())]
    (target,) = statement_targets(labelled(np.zeros((3, 1), np.float32), cases), HYPERTROPHY, min_positives=1)
    np.testing.assert_array_equal(target.flags, [1, 0, 1])


def test_an_enlarged_atrium_is_looked_for_in_the_p_wave_alone() -> None:
    rng = np.random.default_rng(0)
    enlarged = np.arange(N_RECORDS) % 4 == 0
    features = rng.standard_normal((N_RECORDS, len(FEATURE_NAMES))).astype(np.float32)
    features[enlarged, FEATURE_NAMES.index("V5_r_rel")] += 9  # a perfect answer, and the wrong one
    features[enlarged, FEATURE_NAMES.index("V1_p_terminal_rel")] -= 1
    others: tuple[tuple[str, set[str]], ...] = (("N", set()), ("S", set()), ("M", set()), ("C", set()))
    cases = [("H", {"LAO/LAE"}) if atrial else others[index % 4] for index, atrial in enumerate(enlarged)]
    fitted = RECIPE.fit(labelled(features, cases), 0)
    booster = fitted["boosters"][fitted["first_statement"][HYPERTROPHY]]
    used = {
        FEATURE_NAMES[node["feature_idx"]]
        for trees in booster._predictors
        for node in trees[0].nodes
        if not node["is_leaf"]
    }
    assert used
    assert used <= ATRIAL_FEATURES


@pytest.fixture(scope="module")
def data() -> TrainingSet:
    rng = np.random.default_rng(0)
    cases = (("N", {"NORM"}), ("S", {"NDT"}), ("M", {"IMI"}), ("C", {"LAFB"}), ("C", {"1AVB"}), ("H", {"LVH"}))
    chosen = rng.integers(0, len(cases), N_RECORDS)
    features = rng.standard_normal((N_RECORDS, 8)).astype(np.float32)
    features[np.arange(N_RECORDS), chosen] += 3
    features[::7, 7] = np.nan
    return labelled(features, [cases[case] for case in chosen])


def test_there_is_a_booster_a_statement(data: TrainingSet) -> None:
    fitted = RECIPE.fit(data, 0)
    assert len(fitted["boosters"]) == 6
    assert fitted["first_statement"] == [0, 1, 2, 3, 5]


def test_what_is_served_answers_as_what_was_trained(data: TrainingSet) -> None:
    fitted = RECIPE.fit(data, 0)
    served = StatementBoosting.from_payload(fitted)
    prepared = prepare(synthesize(1))
    answers = [served.logits(row.astype(np.float64), prepared) for row in data.features[:20]]
    np.testing.assert_allclose(answers, RECIPE.logits(fitted, data)[:20], atol=1e-9)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"boosters": None},
        {"boosters": ["not a booster"]},
        {"first_statement": [0, 1, 2, 3]},
        {"first_statement": [0, 1, 1, 3, 5]},
        {"first_statement": [0, 1, 2, 3, 6]},
        {"first_statement": [1, 2, 3, 4, 5]},
    ],
)
def test_refuses_a_payload_that_does_not_divide(data: TrainingSet, spoilt: dict[str, object]) -> None:
    fitted = RECIPE.fit(data, 0)
    with pytest.raises(MalformedTreesError):
        StatementBoosting.from_payload({**fitted, **spoilt})
