"""From the members' log-odds to calibrated probabilities and thresholds, class by class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

FloatArray = NDArray[np.float64]
FlagArray = NDArray[np.int8]

THRESHOLD_RANGE: Final = (0.15, 0.6)
THRESHOLD_ROUNDS: Final = 200
THRESHOLD_SEED: Final = 0
_DECIMALS: Final = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class Combination:
    """Weights of the members and calibration in one linear map of log-odds.

    The members' weighted mean is taken, then Platt's sigmoid is fitted to it: two numbers a class. Isotonic regression
    would follow the few thousand records more closely, and lose ranking by its steps.

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
        shares = np.asarray(weights) / np.sum(weights)
        mean = np.einsum("nmk,m->nk", logits, shares)
        slopes, intercepts = np.empty(mean.shape[1]), np.empty(mean.shape[1])
        for k in range(mean.shape[1]):
            sigmoid = LogisticRegression(C=1e6, max_iter=1000).fit(mean[:, [k]], labels[:, k])
            slopes[k], intercepts[k] = sigmoid.coef_[0, 0], sigmoid.intercept_[0]
        # The solver's last bits depend on how the arrays happened to lie in memory.
        coefficients = np.outer(shares, slopes).round(_DECIMALS)
        return cls(coefficients=coefficients, intercepts=intercepts.round(_DECIMALS))

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
