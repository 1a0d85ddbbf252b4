"""A booster for every common statement: the member that knows what the superclasses are made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from app.ml.statements import PAYLOAD_KIND, superclass_logits
from model_training.recipes import Recipe, without_empty_columns
from model_training.training_set import FlagArray, TrainingSet

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class StatementBoosters(Recipe):
    """Histogram gradient boosting, one booster a statement.

    Attributes
    ----------
    min_positives
        Statements of fewer records share one booster a superclass.
    """

    name: ClassVar[str] = "statements"
    code: ClassVar[tuple[str, ...]] = ("app/ml/statements.py", "model_training/statements.py")
    min_positives: int = 25
    n_rounds: int = 80
    learning_rate: float = 0.08
    max_leaf_nodes: int = 8
    l2_regularization: float = 3.0
    max_features: float = 0.2

    def fit(self, data: TrainingSet, seed: int) -> dict[str, Any]:
        """Fit the boosters, superclass by superclass."""
        features = without_empty_columns(data.features)
        boosters: list[HistGradientBoostingClassifier] = []
        first_statement = []
        for superclass in range(data.labels.shape[1]):
            first_statement.append(len(boosters))
            for target in statement_targets(data.labels, data.codes, superclass, self.min_positives):
                booster = HistGradientBoostingClassifier(
                    max_iter=self.n_rounds,
                    learning_rate=self.learning_rate,
                    max_leaf_nodes=self.max_leaf_nodes,
                    l2_regularization=self.l2_regularization,
                    max_features=self.max_features,
                    early_stopping=False,
                    random_state=seed + len(boosters),
                )
                boosters.append(booster.fit(features, target))
        return {"kind": PAYLOAD_KIND, "boosters": boosters, "first_statement": first_statement}

    def logits(self, fitted: Mapping[str, Any], data: TrainingSet) -> FloatArray:
        """Log-odds of the superclasses that the statements make up."""
        statements = np.stack([booster.decision_function(data.features) for booster in fitted["boosters"]], axis=1)
        return superclass_logits(statements, np.asarray(fitted["first_statement"], dtype=np.intp))

    def describe(self) -> str:
        """Size and shape of the boosters."""
        return (
            f"HistGradientBoostingClassifier a statement of at least {self.min_positives} records and one a superclass "
            f"for the rest, {self.n_rounds} rounds of {self.max_leaf_nodes} leaves, put together as independent"
        )


def statement_targets(labels: FlagArray, codes: FlagArray, superclass: int, min_positives: int) -> list[FlagArray]:
    """List what the boosters of one superclass learn.

    A statement belongs to a superclass when every record that carries it carries the superclass.

    Returns
    -------
    list of ndarray, shape (n,)
        One for each common statement, and one for the records of the superclass that carry none of those, where they
        are as many. If no statement is common, the superclass itself.
    """
    member = labels[:, superclass]
    carried = codes.sum(axis=0)
    implied = codes.T.astype(np.int64) @ member == carried
    common = codes[:, implied & (carried >= min_positives)]
    rest = member * (common.sum(axis=1) == 0).astype(member.dtype)
    if not common.shape[1]:
        return [member]
    return [*common.T, rest] if rest.sum() >= min_positives else list(common.T)
