from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import expit
from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import parametrize_with_checks

from model_training.platt import PlattMean


@parametrize_with_checks([PlattMean()])  # type: ignore[untyped-decorator]  # scikit-learn has no annotations
def test_keeps_the_contract_of_scikit_learn(estimator: BaseEstimator, check: Callable[[BaseEstimator], None]) -> None:
    check(estimator)


def test_finds_the_slope_and_the_intercept_of_overconfident_members() -> None:
    rng = np.random.default_rng(0)
    true_log_odds = rng.normal(0, 2, 40_000)
    labels = rng.random(40_000) < expit(true_log_odds)
    shouting = np.stack([3 * (true_log_odds + 1)] * 2, axis=1)
    fitted = PlattMean().fit(shouting, labels)
    np.testing.assert_allclose(fitted.coef_, [1 / 6, 1 / 6], rtol=0.03)
    assert fitted.intercept_ == pytest.approx(-1, abs=0.05)


def test_only_the_ratios_of_the_weights_matter() -> None:
    rng = np.random.default_rng(1)
    X = rng.standard_normal((200, 3))
    y = X[:, 0] + rng.standard_normal(200) > 0
    one, other = PlattMean([3, 1, 0]).fit(X, y), PlattMean([6, 2, 0]).fit(X, y)
    np.testing.assert_allclose(one.coef_, other.coef_)
    assert one.coef_[0] == pytest.approx(3 * one.coef_[1])
    assert one.coef_[2] == 0


def test_refuses_weights_that_do_not_fit_the_columns() -> None:
    with pytest.raises(ValueError, match="2 weights for 3 columns"):
        PlattMean([1, 1]).fit(np.ones((4, 3)), [0, 1, 0, 1])
