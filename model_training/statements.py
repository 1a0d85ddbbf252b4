"""A booster for every common statement: the member that knows what the superclasses are made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from app.ecg.features import FEATURE_NAMES, atrial
from app.ml.statements import PAYLOAD_KIND, superclass_logits
from model_training.recipes import Recipe, without_empty_columns
from model_training.training_set import FlagArray, TrainingSet

FloatArray = NDArray[np.float64]

ATRIAL_STATEMENTS: Final = frozenset({"LAO/LAE", "RAO/RAE"})
ATRIAL_FEATURES: Final = frozenset(
    {
        *atrial.NAMES,
        *(name for name in FEATURE_NAMES if name.startswith(("p_", "pr_")) or name.endswith("beat_spread_p_rel")),
        "heart_rate_bpm",
        "age_years",
    }
)
"""What tells of an enlarged atrium. It is rare: among all features a booster finds chance before it finds P waves."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StatementTarget:
    """One question a booster learns: flags (n,), and the code of the statement if it is a single one."""

    flags: FlagArray
    code: str | None = None


@dataclass(frozen=True, kw_only=True)
class StatementBoosters(Recipe):
    """Histogram gradient boosting, one booster a statement.

    Attributes
    ----------
    min_positives
        Statements of fewer records share one booster a superclass.
    """

    name: ClassVar[str] = "statements"
    weight: ClassVar[float] = 1.5
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
        of_atria = np.where(_atrial_columns(features.shape[1]), features, np.float32(0))  # no tree splits a constant
        boosters: list[HistGradientBoostingClassifier] = []
        first_statement = []
        for superclass in range(data.labels.shape[1]):
            first_statement.append(len(boosters))
            for target in statement_targets(data, superclass, self.min_positives):
                booster = HistGradientBoostingClassifier(
                    max_iter=self.n_rounds,
                    learning_rate=self.learning_rate,
                    max_leaf_nodes=self.max_leaf_nodes,
                    l2_regularization=self.l2_regularization,
                    max_features=self.max_features,
                    early_stopping=False,
                    random_state=seed + len(boosters),
                )
                seen = of_atria if target.code in ATRIAL_STATEMENTS else features
                boosters.append(booster.fit(seen, target.flags))
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


def statement_targets(data: TrainingSet, superclass: int, min_positives: int) -> list[StatementTarget]:
    """List what the boosters of one superclass learn.

    A statement belongs to a superclass when every record that carries it carries the superclass.

    Returns
    -------
    list of StatementTarget
        One for each common statement, and one for the records of the superclass that carry none of those, where they
        are as many. If no statement is common, the superclass itself.
    """
    member, codes = data.labels[:, superclass], data.codes
    carried = codes.sum(axis=0)
    implied = codes.T.astype(np.int64) @ member == carried
    common = np.flatnonzero(implied & (carried >= min_positives))
    if not common.size:
        return [StatementTarget(flags=member)]
    targets = [StatementTarget(flags=codes[:, column], code=data.code_names[column]) for column in common]
    rest = member * (codes[:, common].sum(axis=1) == 0).astype(member.dtype)
    return [*targets, StatementTarget(flags=rest)] if rest.sum() >= min_positives else targets


def _atrial_columns(n_features: int) -> NDArray[np.bool_]:
    """Return the columns an atrial statement may use: all of them, unless they are the features of this version."""
    if n_features != len(FEATURE_NAMES):
        return np.ones(n_features, np.bool_)
    return np.array([name in ATRIAL_FEATURES for name in FEATURE_NAMES])
