"""How each member of the ensemble is made."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier

from app.core.constants import SUPERCLASSES
from app.ml.compiled import forest_logits
from model_training.training_set import TrainingSet

FloatArray = NDArray[np.float64]
N_CLASSES: Final = len(SUPERCLASSES)


class Recipe(ABC):
    """One member: how to fit it, and what a fitted one says.

    Attributes
    ----------
    weight
        Of its log-odds in the ensemble's mean; only the ratios matter.
    sees_waveform
        Whether it needs `TrainingSet.waveforms`.
    code
        Files and folders that its answers depend on, from the project's root: what is kept of them is forgotten when
        one of these changes.
    """

    name: ClassVar[str]
    weight: ClassVar[float] = 1.0
    sees_waveform: ClassVar[bool] = False
    code: ClassVar[tuple[str, ...]] = ("app/ml/compiled.py", "model_training/recipes.py")

    @abstractmethod
    def fit(self, data: TrainingSet, seed: int) -> Any:
        """Fit on all records of `data`; the same data and seed give the same member to the bit."""

    @abstractmethod
    def logits(self, fitted: Any, data: TrainingSet) -> FloatArray:
        """Log-odds of the five superclasses, (n, 5), as the served form of the member gives them."""

    @abstractmethod
    def describe(self) -> str:
        """Say in one line what it is, for the manifest."""


@dataclass(frozen=True, kw_only=True)
class ExtraTrees(Recipe):
    """Extra-trees, all five classes in one forest: what the classes share is learned once."""

    name: ClassVar[str] = "extra_trees"
    weight: ClassVar[float] = 1.5
    n_trees: int = 300
    min_samples_leaf: int = 3
    max_features: float = 0.3

    def fit(self, data: TrainingSet, seed: int) -> ExtraTreesClassifier:
        """Fit the forest; scikit-learn's trees send NaN where it helps most."""
        forest = ExtraTreesClassifier(
            n_estimators=self.n_trees,
            min_samples_leaf=self.min_samples_leaf,
            max_features=self.max_features,
            random_state=seed,
        )
        return forest.fit(without_empty_columns(data.features), data.labels)

    def logits(self, fitted: ExtraTreesClassifier, data: TrainingSet) -> FloatArray:
        """Log-odds of the mean vote."""
        votes = fitted.predict_proba(data.features)[:N_CLASSES]
        columns = [
            np.zeros(len(vote)) if 1 not in classes else vote[:, list(classes).index(1)]
            for vote, classes in zip(votes, fitted.classes_, strict=False)
        ]
        return forest_logits(np.stack(columns, axis=1))

    def describe(self) -> str:
        """Size and shape of the forest."""
        return (
            f"ExtraTreesClassifier of {self.n_trees} trees over five outputs, at least {self.min_samples_leaf} records "
            f"a leaf, {self.max_features:.0%} of the features tried a split"
        )


@dataclass(frozen=True, kw_only=True)
class Boosting(Recipe):
    """Histogram gradient boosting, one booster a class."""

    name: ClassVar[str] = "boosting"
    weight: ClassVar[float] = 0.5  # the same method on the same features as the statements: the two share their weight
    n_rounds: int = 150
    learning_rate: float = 0.06
    max_leaf_nodes: int = 15
    l2_regularization: float = 1.0
    max_features: float = 0.3

    def fit(self, data: TrainingSet, seed: int) -> list[HistGradientBoostingClassifier]:
        """Fit five boosters; no early stopping, so that no record is held back."""
        features = without_empty_columns(data.features)
        return [
            HistGradientBoostingClassifier(
                max_iter=self.n_rounds,
                learning_rate=self.learning_rate,
                max_leaf_nodes=self.max_leaf_nodes,
                l2_regularization=self.l2_regularization,
                max_features=self.max_features,
                early_stopping=False,
                random_state=seed + k,
            ).fit(features, data.labels[:, k])
            for k in range(N_CLASSES)
        ]

    def logits(self, fitted: list[HistGradientBoostingClassifier], data: TrainingSet) -> FloatArray:
        """Log-odds as boosted."""
        return np.stack([booster.decision_function(data.features) for booster in fitted], axis=1)

    def describe(self) -> str:
        """Size and shape of the boosters."""
        return (
            f"HistGradientBoostingClassifier a class, {self.n_rounds} rounds of {self.max_leaf_nodes} leaves, "
            f"learning rate {self.learning_rate}, {self.max_features:.0%} of the features tried a split"
        )


def without_empty_columns(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put zeros where a feature is missing in every record: scikit-learn cannot bin nothing; no tree will split it."""
    return np.where(np.isnan(features).all(axis=0), np.float32(0), features)
