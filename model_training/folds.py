"""Choosing records by their fold."""

import argparse

import numpy as np

from model_training.sources.base import DataError
from model_training.training_set import TrainingSet


def parse_folds(text: str) -> frozenset[int]:
    """Read "1-8", "10" or "1,3,5-7" from a command line."""
    folds: set[int] = set()
    try:
        for part in text.split(","):
            first, dash, last = part.partition("-")
            folds.update(range(int(first), int(last if dash else first) + 1))
    except ValueError:
        folds.clear()
    if not folds:
        raise argparse.ArgumentTypeError("folds are written as 1-8, 10 or 1,3,5-7")
    return frozenset(folds)


def in_folds(data: TrainingSet, folds: frozenset[int]) -> TrainingSet:
    """Keep the records of `folds`.

    Raises
    ------
    DataError
        If there are none.
    """
    kept = data.rows(np.isin(data.folds, sorted(folds)))
    if not kept.examples:
        present = sorted(set(data.folds.tolist()))
        raise DataError(f"there are no labelled records in folds {sorted(folds)}, only in {present}")
    return kept
