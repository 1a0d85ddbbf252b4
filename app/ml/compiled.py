"""The trained model in the form that serves: members compiled, their log-odds combined and calibrated.

The file holds a plain dictionary::

    {"format": 1,
     "members": {name: fitted estimator, list of one a class, or what a waveform net or statements need},
     "coefficients": array (n_members, 5),
     "intercepts": array (5,)}

Every member gives five log-odds. Their weighted sum plus the intercept, class by class, passed through the logistic
function, is the answer: weights and calibration are one linear map.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from app.core.constants import SUPERCLASSES
from app.ecg.pipeline import PreparedECG
from app.ml.errors import CorruptArtifactError
from app.ml.forest import CompiledBoosting, CompiledForest, Grove, MalformedTreesError
from app.ml.members import Member, TreeMember
from app.ml.net import PAYLOAD_KIND as NET_KIND
from app.ml.net import WaveformNet
from app.ml.stand_ins import is_booster, is_forest
from app.ml.statements import PAYLOAD_KIND as STATEMENTS_KIND
from app.ml.statements import StatementBoosting

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.intp]

PAYLOAD_FORMAT: Final = 1
N_CLASSES: Final = len(SUPERCLASSES)
MIN_PROBABILITY: Final = 1e-3
"""A forest that is unanimous says 0 or 1, whose log-odds are infinite; nothing is surer than this."""


class ForestMember(TreeMember):
    """Extra-trees over the features, all classes in one forest."""

    def __init__(self, forest: CompiledForest) -> None:
        super().__init__(forest.trees)
        self._forest = forest

    def logits_at(self, leaves: IndexArray) -> FloatArray:
        """Log-odds of the mean vote."""
        return forest_logits(self._forest.probabilities_at(leaves))


class BoostingMember(TreeMember):
    """Gradient boosting over the features, one booster a class."""

    def __init__(self, boosting: CompiledBoosting) -> None:
        super().__init__(boosting.trees)
        self._boosting = boosting

    def logits_at(self, leaves: IndexArray) -> FloatArray:
        """Log-odds as boosted."""
        return self._boosting.logits_at(leaves)


def forest_logits(probabilities: FloatArray) -> FloatArray:
    """Log-odds of a forest's votes, kept finite."""
    logits: FloatArray = logit(np.clip(probabilities, MIN_PROBABILITY, 1 - MIN_PROBABILITY))
    return logits


def compile_member(fitted: Any) -> Member:
    """Give a fitted estimator, a list of one a class, or a described member its fast form.

    Raises
    ------
    CorruptArtifactError
        If it is no estimator of a kind that is served, or not fitted for the five classes.
    """
    if is_forest(fitted):
        if fitted.n_outputs_ < N_CLASSES:
            raise CorruptArtifactError("a forest does not answer for every class")
        return ForestMember(CompiledForest.from_sklearn(fitted, N_CLASSES))
    if isinstance(fitted, list) and all(map(is_booster, fitted)):
        if len(fitted) != N_CLASSES:
            raise CorruptArtifactError("there is not one booster a class")
        return BoostingMember(CompiledBoosting.from_sklearn(fitted))
    if isinstance(fitted, Mapping) and fitted.get("kind") == NET_KIND:
        return WaveformNet.from_payload(fitted)
    if isinstance(fitted, Mapping) and fitted.get("kind") == STATEMENTS_KIND:
        return StatementBoosting.from_payload(fitted)
    raise CorruptArtifactError("a member of the ensemble is of no known kind")


class CompiledModel:
    """The ensemble, ready for one ECG at a time. Immutable, so threads may share it.

    Parameters
    ----------
    members : sequence of Member
    coefficients : ndarray, shape (n_members, 5)
    intercepts : ndarray, shape (5,)

    Raises
    ------
    MalformedTreesError
        If members that walk trees do so over different features.
    """

    def __init__(self, members: Sequence[Member], coefficients: FloatArray, intercepts: FloatArray) -> None:
        weighted = list(zip(coefficients, members, strict=True))
        self._intercepts = intercepts
        self._of_trees = [(weights, member) for weights, member in weighted if isinstance(member, TreeMember)]
        self._others = [(weights, member) for weights, member in weighted if not isinstance(member, TreeMember)]
        self._grove = Grove([member.trees for _, member in self._of_trees]) if self._of_trees else None

    @classmethod
    def from_payload(cls, payload: object) -> Self:
        """Compile what a model file holds.

        Raises
        ------
        CorruptArtifactError
            If the payload is not of this format, or its trees are no trees.
        """
        if not isinstance(payload, Mapping) or payload.get("format") != PAYLOAD_FORMAT:
            raise CorruptArtifactError("the model file does not hold an ensemble of this format")
        try:
            members = [compile_member(fitted) for fitted in payload["members"].values()]
            coefficients = np.asarray(payload["coefficients"], dtype=np.float64)
            intercepts = np.asarray(payload["intercepts"], dtype=np.float64)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise CorruptArtifactError("the ensemble in the model file is incomplete") from error
        if coefficients.shape != (len(members), N_CLASSES) or intercepts.shape != (N_CLASSES,):
            raise CorruptArtifactError("the weights in the model file do not fit its members")
        try:
            return cls(members, coefficients, intercepts)
        except MalformedTreesError as error:
            raise CorruptArtifactError("the members in the model file do not fit each other") from error

    def probabilities(self, features: NDArray[np.float32], prepared: PreparedECG) -> FloatArray:
        """Calibrated probabilities of the five superclasses.

        Parameters
        ----------
        features : ndarray of float32, shape (n_features,)
            As `app.ecg.features.extract` gives them; NaN is missing.
        prepared : PreparedECG
            The ECG they were taken from.

        Returns
        -------
        ndarray of float64, shape (5,)
            In the order of `SUPERCLASSES`.
        """
        sample = features.astype(np.float64)
        total = self._intercepts.copy()
        if self._grove is not None:
            for (weights, walked), leaves in zip(self._of_trees, self._grove.leaves(sample), strict=True):
                total += weights * walked.logits_at(leaves)
        for weights, member in self._others:
            total += weights * member.logits(sample, prepared)
        probabilities: FloatArray = expit(total)
        return probabilities
