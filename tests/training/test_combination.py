import numpy as np
import pytest
from scipy.special import expit, logit

from model_training.combination import THRESHOLD_RANGE, Combination, choose_thresholds
from model_training.metrics import calibration_error

RNG_SEED = 3


def _answers(n: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True probabilities, labels drawn from them, and two members that overstate and shift their log-odds."""
    rng = np.random.default_rng(RNG_SEED)
    truth = rng.beta(0.6, 1.5, (n, 5)).clip(0.01, 0.99)
    labels = (rng.random(truth.shape) < truth).astype(np.int8)
    return truth, labels, np.stack([2.5 * logit(truth) + 1.0, 2.5 * logit(truth) - 0.4], axis=1)


def test_undoes_a_stretch_and_a_shift_of_the_log_odds() -> None:
    truth, labels, logits = _answers()
    probabilities = Combination.fit(logits, labels, [1, 1]).probabilities(logits)
    assert np.abs(probabilities - truth).mean() < 0.02
    before = calibration_error(labels[:, 0], expit(logits[:, 0, 0]))
    assert calibration_error(labels[:, 0], probabilities[:, 0]) < before / 3


def test_weights_are_shares_of_the_mean() -> None:
    _, labels, logits = _answers()
    logits[:, 1] = np.random.default_rng(0).normal(size=logits[:, 1].shape)
    combination = Combination.fit(logits, labels, [3, 1])
    np.testing.assert_allclose(combination.coefficients[0], 3 * combination.coefficients[1], atol=4e-6)


def test_scaling_all_weights_changes_nothing() -> None:
    _, labels, logits = _answers(500)
    one, two = (Combination.fit(logits, labels, weights) for weights in ([1, 2], [10, 20]))
    np.testing.assert_allclose(one.coefficients, two.coefficients, atol=2e-6)


def test_thresholds_lie_where_f1_is_best() -> None:
    labels = np.repeat(np.array([[0] * 5, [1] * 5], dtype=np.int8), 200, axis=0)
    probabilities = np.concatenate([np.full((200, 5), 0.3), np.full((200, 5), 0.4)])
    np.testing.assert_allclose(choose_thresholds(labels, probabilities), 0.4)


@pytest.mark.parametrize(("stated", "bound"), [(0.02, THRESHOLD_RANGE[0]), (0.97, THRESHOLD_RANGE[1])])
def test_thresholds_stay_within_their_bounds(stated: float, bound: float) -> None:
    labels = np.ones((100, 5), dtype=np.int8)
    np.testing.assert_allclose(choose_thresholds(labels, np.full((100, 5), stated)), bound)
