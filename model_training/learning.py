"""Fit the ensemble and judge it on records it has not seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.ml.compiled import PAYLOAD_FORMAT
from app.ml.manifest import Metrics
from model_training.cache import read_array, write_array
from model_training.combination import Combination, choose_thresholds
from model_training.fingerprint import member_fingerprint
from model_training.metrics import evaluate
from model_training.recipes import Recipe
from model_training.sources.base import DataError, Protocol
from model_training.training_set import TrainingSet
from model_training.workers import Workers

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

CALIBRATION_FOLD: Final = 9
TEST_FOLD: Final = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """A finished ensemble and what is known about it.

    Attributes
    ----------
    payload
        What goes into the model file.
    thresholds
        (5,).
    metrics
        Over records no member had seen, with calibration and thresholds that had not seen them either.
    unseen
        The records and answers behind the metrics, for plots.
    fitted_on
        The records the members in the payload were fitted on.
    """

    payload: dict[str, Any]
    thresholds: FloatArray
    metrics: Metrics
    unseen: "UnseenAnswers"
    fitted_on: TrainingSet


@dataclass(frozen=True, kw_only=True, eq=False)
class UnseenAnswers:
    """Answers about records that took no part in making them; `logits` are the members', (n, n_members, 5)."""

    data: TrainingSet
    logits: FloatArray
    probabilities: FloatArray
    thresholds: FloatArray


def train(
    data: TrainingSet,
    recipes: Sequence[Recipe],
    protocol: Protocol,
    seed: int,
    workers: Workers,
    *,
    cache_dir: Path | None = None,
) -> Trained:
    """Make the ensemble.

    Parameters
    ----------
    data : TrainingSet
    recipes : sequence of Recipe
        The members.
    protocol : Protocol
        Leave one fold out at a time, then fit on everything; or fit on folds 1-8, calibrate on 9, judge on 10.
    seed : int
        The same seed gives the same model to the bit.
    workers : Workers
    cache_dir : Path or None
        Where answers about left-out folds are kept, so that a training that was broken off goes on where it was.
    """
    if protocol is Protocol.OFFICIAL_SPLIT:
        return _official_split(data, recipes, seed, workers)
    return _leave_one_fold_out(data, recipes, seed, workers, cache_dir)


def _leave_one_fold_out(
    data: TrainingSet, recipes: Sequence[Recipe], seed: int, workers: Workers, cache_dir: Path | None
) -> Trained:
    folds = data.folds
    present = np.unique(folds)
    if present.size < 3:
        raise DataError("leaving one fold out needs records of at least three folds")
    splits = [folds == fold for fold in present]
    logits = np.empty((folds.size, len(recipes), data.labels.shape[1]))
    tasks = [(left_out, member) for left_out in splits for member in range(len(recipes))]
    calls = ((recipes[member], data, left_out, seed, cache_dir) for left_out, member in tasks)
    answers = workers.run(_fit_and_answer, calls, len(tasks), "folds")
    for (left_out, member), answer in zip(tasks, answers, strict=True):
        logits[left_out, member] = answer
    weights = [recipe.weight for recipe in recipes]
    unseen = _cross_fitted(data, logits, weights)
    metrics = evaluate(
        data.labels,
        unseen.probabilities,
        data.examples,
        unseen.thresholds,
        "each fold answered by members fitted on the others; calibration and thresholds, too, from the others",
    )
    combination = Combination.fit(logits, data.labels, weights)
    thresholds = choose_thresholds(data.labels, combination.probabilities(logits))
    members = _fit_members(data, recipes, seed, workers)
    return Trained(
        payload=_payload(members, combination),
        thresholds=thresholds,
        metrics=metrics,
        unseen=unseen,
        fitted_on=data,
    )


def _official_split(data: TrainingSet, recipes: Sequence[Recipe], seed: int, workers: Workers) -> Trained:
    folds = data.folds
    learning = data.rows(folds < CALIBRATION_FOLD)
    calibrating = data.rows(folds == CALIBRATION_FOLD)
    judging = data.rows(folds == TEST_FOLD)
    if not (learning.examples and calibrating.examples and judging.examples):
        raise DataError("the official split needs records of folds 1-8, 9 and 10")
    members = _fit_members(learning, recipes, seed, workers)
    logits = _all_logits(recipes, members, calibrating)
    combination = Combination.fit(logits, calibrating.labels, [recipe.weight for recipe in recipes])
    thresholds = choose_thresholds(calibrating.labels, combination.probabilities(logits))
    test_logits = _all_logits(recipes, members, judging)
    probabilities = combination.probabilities(test_logits)
    metrics = evaluate(
        judging.labels,
        probabilities,
        judging.examples,
        thresholds,
        "official split: members fitted on folds 1-8, calibration and thresholds from fold 9, judged on fold 10",
    )
    return Trained(
        payload=_payload(members, combination),
        thresholds=thresholds,
        metrics=metrics,
        unseen=UnseenAnswers(
            data=judging,
            logits=test_logits,
            probabilities=probabilities,
            thresholds=np.broadcast_to(thresholds, probabilities.shape),
        ),
        fitted_on=learning,
    )


def _fit_and_answer(
    recipe: Recipe, data: TrainingSet, left_out: BoolArray, seed: int, cache_dir: Path | None
) -> FloatArray:
    learned, asked = data.rows(~left_out), data.rows(left_out)
    name = sha256(f"{recipe} {learned.digest} {asked.digest} {seed}".encode()).hexdigest()[:32]
    place = None if cache_dir is None else cache_dir / "answers" / member_fingerprint(recipe.code) / f"{name}.npy"
    kept = None if place is None else read_array(place)
    if kept is not None:
        return kept
    answers = recipe.logits(recipe.fit(learned, seed), asked)
    if place is not None:
        write_array(place, answers)
    return answers


def _fit_members(data: TrainingSet, recipes: Sequence[Recipe], seed: int, workers: Workers) -> dict[str, Any]:
    calls = ((recipe, data, seed) for recipe in recipes)
    fitted = workers.run(_fit, calls, len(recipes), "members")
    return {recipe.name: member for recipe, member in zip(recipes, fitted, strict=True)}


def _fit(recipe: Recipe, data: TrainingSet, seed: int) -> Any:
    return recipe.fit(data, seed)


def _all_logits(recipes: Sequence[Recipe], members: dict[str, Any], data: TrainingSet) -> FloatArray:
    return np.stack([recipe.logits(members[recipe.name], data) for recipe in recipes], axis=1)


def _cross_fitted(data: TrainingSet, logits: FloatArray, weights: Sequence[float]) -> UnseenAnswers:
    """Calibrate and choose thresholds for each fold on the answers about the others."""
    probabilities = np.empty(data.labels.shape)
    thresholds = np.empty(data.labels.shape)
    folds = data.folds
    for fold in np.unique(folds):
        here, others = folds == fold, folds != fold
        combination = Combination.fit(logits[others], data.labels[others], weights)
        probabilities[here] = combination.probabilities(logits[here])
        thresholds[here] = choose_thresholds(data.labels[others], combination.probabilities(logits[others]))
    return UnseenAnswers(data=data, logits=logits, probabilities=probabilities, thresholds=thresholds)


def _payload(members: dict[str, Any], combination: Combination) -> dict[str, Any]:
    return {
        "format": PAYLOAD_FORMAT,
        "members": members,
        "coefficients": combination.coefficients,
        "intercepts": combination.intercepts,
    }
