"""What an ensemble is made of."""

from abc import ABC, abstractmethod
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.ecg.pipeline import PreparedECG
from app.ml.forest import FlatTrees

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.intp]


class Member(Protocol):
    """One opinion in the ensemble."""

    def logits(self, features: FloatArray, prepared: PreparedECG) -> FloatArray:
        """Log-odds of the five superclasses for one ECG, from its features, its waveform, or both.

        The features are numbers of float32, though given as float64.
        """
        ...


class TreeMember(ABC):
    """A member that walks trees over the features; those of several members can be walked at once.

    Parameters
    ----------
    trees : FlatTrees
    """

    def __init__(self, trees: FlatTrees) -> None:
        self.trees = trees

    @abstractmethod
    def logits_at(self, leaves: IndexArray) -> FloatArray:
        """Log-odds of the five superclasses, from what `trees.leaves` gave for the features."""

    def logits(self, features: FloatArray, prepared: PreparedECG) -> FloatArray:  # noqa: ARG002 - a Member's signature
        """Log-odds of the five superclasses for one ECG, from its features."""
        return self.logits_at(self.trees.leaves(features))
