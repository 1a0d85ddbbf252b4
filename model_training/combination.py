"""From the members' log-odds to calibrated probabilities and thresholds, class by class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from model_training.platt import PlattMean

FloatArray = NDArray[np.float64]
FlagArray = NDArray[np.int8]

THRESHOLD_RANGE: Final = (0.15, 0.6)
THRESHOLD_ROUNDS: Final = 200
THRESHOLD_SEED: Final = 0
_DECIMALS: Final = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class Combination:
    """Weights of the members and calibration in one linear map of log-odds, class by class.

    Attributes
    ----------
    coefficients
        (n_members, 5).
    intercepts
        (5,).
    """

    coefficients: FloatArray
    intercepts: FloatArray

    @classmethod
    def fit(cls, logits: FloatArray, labels: FlagArray, weights: Sequence[float]) -> Self:
        """Fit on answers that the members gave about records they had not seen.

        Parameters
        ----------
        logits : ndarray, shape (n, n_members, 5)
        labels : ndarray, shape (n, 5)
        weights : sequence of float
            Of each member; only their ratios matter.
        """
        fitted = [PlattMean(weights).fit(logits[:, :, k], labels[:, k]) for k in range(labels.shape[1])]
        coefficients = np.stack([one.coef_ for one in fitted], axis=1)
        intercepts = np.array([one.intercept_ for one in fitted])
        # The solver's last bits depend on how the arrays happened to lie in memory.
        return cls(coefficients=coefficients.round(_DECIMALS), intercepts=intercepts.round(_DECIMALS))

    def probabilities(self, logits: FloatArray) -> FloatArray:
        """Calibrated probabilities, (n, 5), of members' log-odds (n, n_members, 5)."""
        combined: FloatArray = np.einsum("nmk,mk->nk", logits, self.coefficients) + self.intercepts
        probabilities: FloatArray = expit(combined)
        return probabilities


def choose_thresholds(labels: FlagArray, probabilities: FloatArray) -> FloatArray:
    """Threshold of every class: the one of best F1, steadied by resampling and kept within bounds.

    F1 asks for neither class prevalence nor costs, which nobody has stated; it trades a missed finding against a false
    one evenly. Its optimum over one sample hangs on single records, so the median optimum over bootstrap samples is
    taken. Below the lower bound a finding would be named at five to one against it, above the upper one it would be
    missed though more likely than not.

    Parameters
    ----------
    labels, probabilities : ndarray, shape (n, 5)

    Returns
    -------
    ndarray, shape (5,)
    """
    rng = np.random.default_rng(THRESHOLD_SEED)
    draws = [rng.integers(len(labels), size=len(labels)) for _ in range(THRESHOLD_ROUNDS)]
    best = [[_best_f1(labels[rows, k], probabilities[rows, k]) for rows in draws] for k in range(labels.shape[1])]
    thresholds: FloatArray = np.clip(np.median(best, axis=1), *THRESHOLD_RANGE).round(4)
    return thresholds


def _best_f1(labels: FlagArray, probabilities: FloatArray) -> float:
    order = np.argsort(-probabilities, kind="stable")
    hits = np.cumsum(labels[order])
    f1 = 2 * hits / (np.arange(1, labels.size + 1) + max(1, int(labels.sum())))
    return float(probabilities[order[int(np.argmax(f1))]])
