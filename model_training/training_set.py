"""What the members learn from: everything a set of labelled ECGs came to, a row a record."""

import hashlib
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from app.core.constants import SUPERCLASSES
from model_training.sources import Example

FloatArray = NDArray[np.float32]
FlagArray = NDArray[np.int8]


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingSet:
    """Inputs and targets of labelled ECGs.

    Attributes
    ----------
    features
        (n, n_features) float32, NaN where missing.
    waveforms
        (n, n_samples, 12) float32, or (n, 0, 12) where no member looks at them.
    labels
        (n, 5) of 0 and 1, in the order of `SUPERCLASSES`.
    codes
        (n, n_codes) of 0 and 1: the statements of the reports.
    code_names
        Heading of each column of `codes`.
    examples
        Who and which fold.
    n_unlabelled, n_unusable
        Records left out: without a superclass, or without a heartbeat that can be read.
    """

    features: FloatArray
    waveforms: FloatArray
    labels: FlagArray
    codes: FlagArray
    code_names: tuple[str, ...]
    examples: tuple[Example, ...]
    n_unlabelled: int
    n_unusable: int

    @classmethod
    def gather(
        cls, inputs: list[tuple[FloatArray, FloatArray]], examples: tuple[Example, ...], n_unlabelled: int
    ) -> Self:
        """Stack the inputs of `examples`, leaving out those whose features are empty because nothing could be read."""
        usable = [index for index, (features, _) in enumerate(inputs) if features.size]
        kept = tuple(examples[index] for index in usable)
        names = tuple(sorted(frozenset[str]().union(*(example.codes for example in kept))))
        return cls(
            features=np.stack([inputs[index][0] for index in usable]),
            waveforms=np.stack([inputs[index][1] for index in usable]),
            labels=flags([example.labels for example in kept], SUPERCLASSES),
            codes=flags([example.codes for example in kept], names),
            code_names=names,
            examples=kept,
            n_unlabelled=n_unlabelled,
            n_unusable=len(examples) - len(usable),
        )

    @property
    def folds(self) -> NDArray[np.int64]:
        """Fold of every record."""
        return np.array([example.fold for example in self.examples], dtype=np.int64)

    @property
    def patients(self) -> NDArray[np.int64]:
        """Patient of every record."""
        return np.array([example.patient_id for example in self.examples], dtype=np.int64)

    @property
    def digest(self) -> str:
        """Sha256 over everything a member could learn from."""
        digest = hashlib.sha256()
        for array in (self.features, self.waveforms, self.labels, self.codes):
            digest.update(repr(array.shape).encode())
            digest.update(np.ascontiguousarray(array).data)
        digest.update(repr([example.patient for example in self.examples]).encode())
        return digest.hexdigest()

    def rows(self, chosen: NDArray[np.bool_]) -> "TrainingSet":
        """Keep the records where `chosen` is true."""
        return TrainingSet(
            features=self.features[chosen],
            waveforms=self.waveforms[chosen],
            labels=self.labels[chosen],
            codes=self.codes[chosen],
            code_names=self.code_names,
            examples=tuple(example for example, kept in zip(self.examples, chosen, strict=True) if kept),
            n_unlabelled=self.n_unlabelled,
            n_unusable=self.n_unusable,
        )


def flags(sets: list[frozenset[str]], names: tuple[str, ...]) -> FlagArray:
    """Write each set as a row of 0 and 1, a column a name."""
    rows = [[name in members for name in names] for members in sets]
    return np.array(rows, dtype=np.int8).reshape(len(sets), len(names))
