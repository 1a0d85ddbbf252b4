"""Platt's sigmoid over a weighted mean of log-odds, as a scikit-learn classifier."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

FloatArray = NDArray[np.float64]


class PlattMean(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no annotations
    """Take the weighted mean of the columns, and fit one slope and one intercept to it.

    Two numbers, however many columns there are: what a few thousand records can pay for. Isotonic regression would
    follow them more closely, and lose ranking by its steps.

    Parameters
    ----------
    weights : sequence of float or None
        Of each column; only their ratios matter. None weighs all alike.

    Attributes
    ----------
    classes_ : ndarray, shape (2,)
        The absent and the present label.
    coef_ : ndarray, shape (n_columns,)
        Weight of each column times the slope.
    intercept_ : float
        Log-odds where the mean is zero.
    """

    def __init__(self, weights: Sequence[float] | None = None) -> None:
        self.weights = weights

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit slope and intercept.

        Parameters
        ----------
        X : array-like, shape (n, n_columns)
            Log-odds.
        y : array-like, shape (n,)
            Two labels, the greater one being what the log-odds speak for.

        Raises
        ------
        ValueError
            If there are not two labels, or the weights do not fit the columns.
        """
        columns: FloatArray
        target: NDArray[Any]
        columns, target = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(target)
        self.classes_: NDArray[Any] = np.unique(target)
        if len(self.classes_) != 2:
            found = "1 class" if len(self.classes_) == 1 else f"{len(self.classes_)} classes"
            raise ValueError(f"Only binary classification is supported. The target has {found}.")
        weights = np.ones(columns.shape[1]) if self.weights is None else np.asarray(self.weights, dtype=np.float64)
        if weights.shape != (columns.shape[1],):
            raise ValueError(f"there are {weights.size} weights for {columns.shape[1]} columns")
        shares = weights / weights.sum()
        sigmoid = LogisticRegression(C=1e6, max_iter=1000).fit((columns @ shares)[:, None], target)
        self.coef_: FloatArray = shares * sigmoid.coef_[0, 0]
        self.intercept_ = float(sigmoid.intercept_[0])
        return self

    def decision_function(self, X: ArrayLike) -> FloatArray:
        """Return calibrated log-odds of the present label, (n,)."""
        check_is_fitted(self)
        columns: FloatArray = validate_data(self, X, dtype=np.float64, reset=False)
        log_odds: FloatArray = columns @ self.coef_ + self.intercept_
        return log_odds

    def predict_proba(self, X: ArrayLike) -> FloatArray:
        """Return calibrated probabilities of the absent and of the present label, (n, 2)."""
        present = expit(self.decision_function(X))
        return np.stack([1 - present, present], axis=1)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the likelier label of each row, (n,)."""
        present = self.decision_function(X) > 0
        labels: NDArray[Any] = self.classes_[present.astype(np.intp)]
        return labels

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.poor_score = True  # a mean of columns is no classifier of blobs
        return tags
