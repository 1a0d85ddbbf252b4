from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier

from app.ml.forest import CompiledBoosting, CompiledForest, FlatTrees, Grove, MalformedTreesError, TreeArrays

N_FEATURES = 6
finite_or_missing = st.one_of(st.just(float("nan")), st.floats(-5, 5), st.floats(allow_nan=False, allow_infinity=False))
samples = st.lists(finite_or_missing, min_size=N_FEATURES, max_size=N_FEATURES).map(np.array)


def _training_data() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(250, N_FEATURES)).astype(np.float32)
    X[:, 1] = np.round(X[:, 1])  # ties between values and thresholds
    y = (X[:, :3] + 0.8 * rng.normal(size=(250, 3)) > 0.3).astype(np.int64)
    X[rng.random(X.shape) < 0.15] = np.nan
    y[np.isnan(X[:, 2]), 2] = 1  # missing means something: a split on missing against known
    return X, y


@cache
def _forest() -> Any:
    X, y = _training_data()
    return ExtraTreesClassifier(25, random_state=0).fit(X, y)


@cache
def _boosters() -> tuple[Any, ...]:
    X, y = _training_data()
    return tuple(HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(X, y[:, k]) for k in range(3))


@cache
def _compiled_forest() -> CompiledForest:
    return CompiledForest.from_sklearn(_forest())


@cache
def _compiled_boosting() -> CompiledBoosting:
    return CompiledBoosting.from_sklearn(_boosters())


class TestExtraTrees:
    @given(x=samples)
    def test_answers_as_scikit_learn_does_for_any_sample(self, x: NDArray[np.float64]) -> None:
        x = np.clip(x, -3e38, 3e38)  # scikit-learn refuses what overflows float32
        expected = [votes[0, 1] for votes in _forest().predict_proba(x[np.newaxis])]
        np.testing.assert_allclose(_compiled_forest().probabilities(x), expected, rtol=0, atol=1e-9)

    def test_rounds_a_float64_sample_to_float32_as_scikit_learn_does(self) -> None:
        thresholds = np.concatenate([tree.tree_.threshold for tree in _forest().estimators_])
        for threshold in thresholds[:200]:
            x = np.full(N_FEATURES, np.nextafter(threshold, np.inf))
            expected = [votes[0, 1] for votes in _forest().predict_proba(x[np.newaxis])]
            np.testing.assert_allclose(_compiled_forest().probabilities(x), expected, rtol=0, atol=1e-9)

    def test_keeps_only_the_outputs_asked_for(self) -> None:
        x = np.zeros(N_FEATURES)
        both = CompiledForest.from_sklearn(_forest(), n_outputs=2).probabilities(x)
        np.testing.assert_array_equal(both, _compiled_forest().probabilities(x)[:2])

    def test_takes_a_forest_of_one_output(self) -> None:
        X, y = _training_data()
        forest = ExtraTreesClassifier(5, random_state=0).fit(X, y[:, 0])
        compiled = CompiledForest.from_sklearn(forest).probabilities(X[3].astype(np.float64))
        np.testing.assert_allclose(compiled, [forest.predict_proba(X[3:4])[0, 1]], rtol=0, atol=1e-9)

    def test_takes_a_random_forest(self) -> None:
        X, y = _training_data()
        forest = RandomForestClassifier(5, random_state=0).fit(X, y)
        compiled = CompiledForest.from_sklearn(forest).probabilities(X[3].astype(np.float64))
        expected = [votes[0, 1] for votes in forest.predict_proba(X[3:4])]
        np.testing.assert_allclose(compiled, expected, rtol=0, atol=1e-9)

    def test_gives_probability_zero_to_a_class_never_seen(self) -> None:
        X, y = _training_data()
        y[:, 1] = 0
        compiled = CompiledForest.from_sklearn(ExtraTreesClassifier(5, random_state=0).fit(X, y))
        assert compiled.probabilities(np.zeros(N_FEATURES))[1] == 0.0


class TestBoosting:
    @given(x=samples)
    def test_answers_as_scikit_learn_does_for_any_sample(self, x: NDArray[np.float64]) -> None:
        expected = [booster.predict_proba(x[np.newaxis])[0, 1] for booster in _boosters()]
        np.testing.assert_allclose(_compiled_boosting().probabilities(x), expected, rtol=0, atol=1e-9)

    def test_compares_in_float64(self) -> None:
        nodes = np.concatenate([stage[0].nodes for stage in _boosters()[0]._predictors])
        for threshold in nodes["num_threshold"][~nodes["is_leaf"].astype(bool)]:
            x = np.full(N_FEATURES, np.nextafter(threshold, np.inf))
            if not np.isfinite(x).all():
                continue
            expected = [booster.predict_proba(x[np.newaxis])[0, 1] for booster in _boosters()]
            np.testing.assert_allclose(_compiled_boosting().probabilities(x), expected, rtol=0, atol=1e-9)

    def test_splits_between_missing_and_known(self) -> None:
        rng = np.random.default_rng(0)
        X = rng.normal(size=(200, 1))
        X[::2] = np.nan
        booster = HistGradientBoostingClassifier(max_iter=3, random_state=0).fit(X, np.isnan(X[:, 0]))
        thresholds = booster._predictors[0][0].nodes["num_threshold"]
        assert np.isinf(thresholds).any(), "scikit-learn no longer writes such splits: this test tests nothing"
        compiled = CompiledBoosting.from_sklearn([booster])
        for x in (np.array([np.nan]), np.array([1e300]), np.array([-1.0])):
            expected = booster.predict_proba(x[np.newaxis])[0, 1]
            np.testing.assert_allclose(compiled.probabilities(x), [expected], rtol=0, atol=1e-9)

    def test_refuses_trees_over_categories(self) -> None:
        X = np.tile(np.arange(4.0), 50)[:, np.newaxis]
        booster = HistGradientBoostingClassifier(max_iter=2, categorical_features=[0]).fit(X, X[:, 0] % 2)
        with pytest.raises(MalformedTreesError, match="categories"):
            CompiledBoosting.from_sklearn([booster])


class TestGrove:
    @given(x=samples)
    def test_ends_where_each_ensemble_does_alone(self, x: NDArray[np.float64]) -> None:
        ensembles = [_compiled_boosting().trees, _compiled_forest().trees, _compiled_boosting().trees]
        for leaves, trees in zip(Grove(ensembles).leaves(x), ensembles, strict=True):
            np.testing.assert_array_equal(leaves, trees.leaves(x))

    def test_takes_a_single_leaf_beside_deep_trees(self) -> None:
        leaf = FlatTrees([_tree([0], [0], [True])], n_features=N_FEATURES)
        alone, _ = Grove([leaf, _compiled_forest().trees]).leaves(np.zeros(N_FEATURES))
        np.testing.assert_array_equal(alone, [0])

    def test_refuses_ensembles_over_different_features(self) -> None:
        with pytest.raises(MalformedTreesError, match="different samples"):
            Grove([_compiled_forest().trees, FlatTrees([_tree([0], [0], [True])], n_features=N_FEATURES + 1)])

    def test_threads_may_share_it(self) -> None:
        grove = Grove([_compiled_forest().trees, _compiled_boosting().trees])
        rows = np.random.default_rng(0).normal(size=(100, N_FEATURES))
        alone = [np.concatenate(grove.leaves(row)) for row in rows]
        with ThreadPoolExecutor(4) as pool:
            together = [np.concatenate(leaves) for leaves in pool.map(grove.leaves, rows)]
        np.testing.assert_array_equal(together, alone)


def _tree(left: list[int], right: list[int], leaf: list[bool], feature: int = 0) -> TreeArrays:
    n = len(left)
    return TreeArrays(
        left=np.array(left, dtype=np.intp),
        right=np.array(right, dtype=np.intp),
        feature=np.full(n, feature, dtype=np.intp),
        threshold=np.zeros(n),
        missing_left=np.zeros(n, dtype=np.bool_),
        is_leaf=np.array(leaf),
        value=np.arange(n, dtype=np.float64)[:, np.newaxis],
    )


class TestMalformedTrees:
    @pytest.mark.parametrize(
        ("left", "right", "leaf"),
        [
            ([1, 0, 0], [2, 0, 0], [False, False, True]),  # a child is its own ancestor
            ([1, 0, 0], [7, 0, 0], [False, True, True]),  # a child is out of range
            ([-1, 0, 0], [2, 0, 0], [False, True, True]),  # a child is before the first node
            ([1, 0, 0], [1, 0, 0], [False, True, True]),  # two children are one
            ([1, 0, 0, 0], [2, 0, 0, 0], [False, True, True, True]),  # a node has no parent
        ],
    )
    def test_refuses_nodes_that_form_no_tree(self, left: list[int], right: list[int], leaf: list[bool]) -> None:
        with pytest.raises(MalformedTreesError):
            FlatTrees([_tree(left, right, leaf)], n_features=1)

    def test_refuses_a_column_that_samples_do_not_have(self) -> None:
        with pytest.raises(MalformedTreesError, match="column"):
            FlatTrees([_tree([1, 0, 0], [2, 0, 0], [False, True, True], feature=3)], n_features=3)

    def test_a_tree_of_one_leaf_answers_with_it(self) -> None:
        trees = FlatTrees([_tree([0], [0], [True])], n_features=1)
        np.testing.assert_array_equal(trees.leaves(np.array([1.0])), [0])
