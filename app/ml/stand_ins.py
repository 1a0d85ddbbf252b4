"""What a model file is read into: the trees of scikit-learn without scikit-learn.

Serving needs the nodes of the trees and nothing else, and importing the library takes a second and forty megabytes of
every process. So its classes are read into these, which keep what was stored and can do nothing.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray


class Stored:
    """Something fitted: the attributes it was stored with."""


class Ignored:
    """Something that only training needs."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _state: object) -> None:
        pass


class ExtraTreesClassifier(Stored):
    """A forest."""

    n_outputs_: int
    n_features_in_: int
    classes_: Any
    estimators_: list[Any]


class HistGradientBoostingClassifier(Stored):
    """A booster."""

    n_features_in_: int


class Tree:
    """One tree of a forest, by the names the library gives its columns.

    Parameters
    ----------
    n_features, n_classes, n_outputs
        As stored.
    """

    def __init__(self, n_features: int, n_classes: NDArray[np.intp], n_outputs: int) -> None:
        self.n_features = n_features
        self.n_classes = n_classes
        self.n_outputs = n_outputs
        self._state: Mapping[str, Any] = {}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self._state = state

    def __getstate__(self) -> Mapping[str, Any]:
        return self._state

    @property
    def node_count(self) -> int:
        """Number of nodes."""
        return len(self._state["nodes"])

    @property
    def children_left(self) -> NDArray[np.intp]:
        """Row of the left child, -1 at a leaf."""
        return self._column("left_child")

    @property
    def children_right(self) -> NDArray[np.intp]:
        """Row of the right child, -1 at a leaf."""
        return self._column("right_child")

    @property
    def feature(self) -> NDArray[np.intp]:
        """Column compared at the node."""
        return self._column("feature")

    @property
    def threshold(self) -> NDArray[np.float64]:
        """What it is compared with."""
        return self._column("threshold")

    @property
    def value(self) -> NDArray[np.float64]:
        """Votes, (node_count, n_outputs, n_classes)."""
        values: NDArray[np.float64] = self._state["values"]
        return values

    def _column(self, name: str) -> NDArray[Any]:
        column: NDArray[Any] = self._state["nodes"][name]
        return column


_HGB: Final = "sklearn.ensemble._hist_gradient_boosting"

STAND_INS: Final[Mapping[tuple[str, str], type]] = MappingProxyType(
    {
        ("sklearn._loss._loss", "CyHalfBinomialLoss"): Ignored,
        ("sklearn._loss.link", "Interval"): Ignored,
        ("sklearn._loss.link", "LogitLink"): Ignored,
        ("sklearn._loss.loss", "HalfBinomialLoss"): Ignored,
        ("sklearn.ensemble._forest", "ExtraTreesClassifier"): ExtraTreesClassifier,
        (f"{_HGB}.binning", "_BinMapper"): Ignored,
        (f"{_HGB}.gradient_boosting", "HistGradientBoostingClassifier"): HistGradientBoostingClassifier,
        (f"{_HGB}.predictor", "TreePredictor"): Stored,
        ("sklearn.preprocessing._label", "LabelEncoder"): Ignored,
        ("sklearn.tree._classes", "ExtraTreeClassifier"): Stored,
        ("sklearn.tree._tree", "Tree"): Tree,
    }
)
"""What each class of the library is read into, by its module and name."""


def is_forest(fitted: object) -> bool:
    """Tell extra-trees, the library's own or as read from a file."""
    return type(fitted).__name__ == ExtraTreesClassifier.__name__


def is_booster(fitted: object) -> bool:
    """Tell histogram gradient boosting, the library's own or as read from a file."""
    return type(fitted).__name__ == HistGradientBoostingClassifier.__name__
