"""Boosters for single statements, put together to the superclasses they belong to.

"Left anterior fascicular block" is an easier question than "some conduction disturbance". One booster answers for each
common statement, and the superclass is present unless all of its statements are absent.
"""

from collections.abc import Mapping
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from app.core.constants import SUPERCLASSES
from app.ml.forest import CompiledBoosting, MalformedTreesError
from app.ml.members import TreeMember
from app.ml.stand_ins import is_booster

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.intp]

PAYLOAD_KIND: Final = "statement-boosters"
MAX_LOGIT: Final = 7.0
"""Nothing is surer than this: one in a thousand."""
_MIN_SURPRISE: Final = float(np.exp(-MAX_LOGIT)) / 2
"""Keeps the logarithm finite, and ends beyond the limit."""


def superclass_logits(statement_logits: FloatArray, first_statement: IndexArray) -> FloatArray:
    """Log-odds that at least one statement of each superclass holds, taken as independent.

    Parameters
    ----------
    statement_logits : ndarray, shape (..., n_statements)
        Ordered by superclass.
    first_statement : ndarray of int, shape (5,)
        Where each superclass begins; each has at least one statement.

    Returns
    -------
    ndarray, shape (..., 5)
    """
    # The log of 1 - p is -softplus(logit), so absences multiply by adding softplus up.
    surprise = np.add.reduceat(np.logaddexp(0, statement_logits), first_statement, axis=-1)
    surprise = np.maximum(surprise, _MIN_SURPRISE)
    logits: FloatArray = surprise + np.log(-np.expm1(-surprise))
    return np.clip(logits, -MAX_LOGIT, MAX_LOGIT)


class StatementBoosting(TreeMember):
    """All boosters compiled. Immutable, so threads may share it."""

    def __init__(self, boosting: CompiledBoosting, first_statement: IndexArray) -> None:
        super().__init__(boosting.trees)
        self._boosting = boosting
        self._first_statement = first_statement

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """Compile `{"kind": "statement-boosters", "boosters": [...], "first_statement": [five positions]}`.

        Raises
        ------
        MalformedTreesError
            If the payload is incomplete.
        """
        boosters, first_statement = payload.get("boosters"), payload.get("first_statement")
        if not isinstance(boosters, list) or not all(map(is_booster, boosters)):
            raise MalformedTreesError("the boosters of the statements are no boosters")
        starts = np.asarray(first_statement, dtype=np.intp)
        if (
            starts.shape != (len(SUPERCLASSES),)
            or starts[0] != 0
            or not (np.diff(starts, append=len(boosters)) > 0).all()
        ):
            raise MalformedTreesError("the statements do not divide among the superclasses")
        return cls(CompiledBoosting.from_sklearn(boosters), starts)

    def logits_at(self, leaves: IndexArray) -> FloatArray:
        """Log-odds of the superclasses out of those of their statements."""
        return superclass_logits(self._boosting.logits_at(leaves), self._first_statement)
