"""How good a set of probabilities is, with the uncertainty that a few thousand patients leave."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score

from app.core.constants import CLASS_NAMES, SUPERCLASSES
from app.ml.decision import decide
from app.ml.manifest import ClassMetrics, Estimate, GroupMetrics, Metrics
from model_training.sources import Example

FloatArray = NDArray[np.float64]
FlagArray = NDArray[np.int8]
IndexArray = NDArray[np.int64]

BOOTSTRAP_ROUNDS: Final = 1000
BOOTSTRAP_SEED: Final = 0
ECE_BINS: Final = 15
MIN_POSITIVES_OF_A_GROUP: Final = 10
AGE_BANDS: Final = ((0, 40), (40, 55), (55, 65), (65, 75), (75, 121))


def auc(labels: FlagArray, scores: FloatArray) -> float:
    """Give the area under the ROC curve of one class; ties count half, NaN where a class is absent."""
    n_positive = int(labels.sum())
    n_negative = labels.size - n_positive
    if not n_positive or not n_negative:
        return float("nan")
    ranks = rankdata(scores)
    return float((ranks[labels == 1].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def class_aucs(labels: FlagArray, scores: FloatArray) -> FloatArray:
    """AUC of every class, (n_classes,)."""
    return np.array([auc(labels[:, k], scores[:, k]) for k in range(labels.shape[1])])


def macro_auc(labels: FlagArray, scores: FloatArray) -> float:
    """Mean AUC over the classes."""
    return float(class_aucs(labels, scores).mean())


def calibration_error(labels: FlagArray, probabilities: FloatArray) -> float:
    """Give the expected calibration error over 15 bins of equal width."""
    bins = np.minimum((probabilities * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    gaps = np.bincount(bins, weights=labels - probabilities, minlength=ECE_BINS)
    return float(np.abs(gaps).sum() / labels.size)


def bootstrap(patients: IndexArray, statistic: Callable[[IndexArray], FloatArray]) -> FloatArray:
    """Values of a statistic over resampled patients.

    Parameters
    ----------
    patients : ndarray, shape (n,)
        Whose each record is: all records of a person are drawn together, being alike.
    statistic : callable
        From row numbers, with repetitions, to (n_values,).

    Returns
    -------
    ndarray, shape (BOOTSTRAP_ROUNDS, n_values)
    """
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    _, person = np.unique(patients, return_inverse=True)
    n_people = int(person.max()) + 1
    rows = np.arange(patients.size)
    rounds = []
    for _ in range(BOOTSTRAP_ROUNDS):
        times = np.bincount(rng.integers(n_people, size=n_people), minlength=n_people)
        rounds.append(statistic(np.repeat(rows, times[person])))
    return np.array(rounds)


def evaluate(
    labels: FlagArray,
    probabilities: FloatArray,
    examples: Sequence[Example],
    thresholds: FloatArray,
    protocol: str,
) -> Metrics:
    """Measure a model's answers.

    Parameters
    ----------
    labels, probabilities : ndarray, shape (n, 5)
        Truth and calibrated answers, every record once.
    examples : sequence of Example
        Who and which fold.
    thresholds : ndarray, shape (5,) or (n, 5)
        Of each class; by record where they were chosen on other folds.
    protocol : str
        In words, how the answers came about.
    """
    patients = np.array([example.patient_id for example in examples])
    limits = np.broadcast_to(thresholds, probabilities.shape)
    said = probabilities >= limits
    classes, macro = _class_metrics(labels, probabilities, said, limits, patients)
    return Metrics(
        protocol=protocol,
        folds=sorted({example.fold for example in examples}),
        records=len(examples),
        patients=int(np.unique(patients).size),
        macro_auc=macro,
        macro_f1=float(np.mean([one.f1 for one in classes.values()])),
        macro_ece=float(np.mean([one.ece for one in classes.values()])),
        exact_set_accuracy=float(np.mean(_named_sets(probabilities, limits) == _true_sets(labels))),
        classes=classes,
        groups=_group_metrics(labels, probabilities, said, examples),
    )


def _class_metrics(
    labels: FlagArray, probabilities: FloatArray, said: NDArray[np.bool_], limits: FloatArray, patients: IndexArray
) -> tuple[dict[str, ClassMetrics], Estimate]:
    aucs = class_aucs(labels, probabilities)
    recalls = _recalls(labels, said)

    def drawn_again(rows: IndexArray) -> FloatArray:
        return np.concatenate([class_aucs(labels[rows], probabilities[rows]), _recalls(labels[rows], said[rows])])

    drawn = bootstrap(patients, drawn_again)
    n = labels.shape[1]
    macro = _estimate(float(aucs.mean()), drawn[:, :n].mean(axis=1))
    classes = {}
    for k, letter in enumerate(SUPERCLASSES):
        truth, answer = labels[:, k], said[:, k]
        hits = int((answer & (truth == 1)).sum())
        classes[letter] = ClassMetrics(
            positives=int(truth.sum()),
            auc=_estimate(float(aucs[k]), drawn[:, k]),
            average_precision=float(average_precision_score(truth, probabilities[:, k])),
            threshold=float(np.median(limits[:, k])),
            recall=_estimate(float(recalls[k]), drawn[:, n + k]),
            specificity=float((~answer & (truth == 0)).sum() / max(1, (truth == 0).sum())),
            precision=hits / max(1, int(answer.sum())),
            f1=2 * hits / max(1, int(answer.sum() + truth.sum())),
            brier=float(np.mean((probabilities[:, k] - truth) ** 2)),
            ece=calibration_error(truth, probabilities[:, k]),
        )
    return classes, macro


def _recalls(labels: FlagArray, said: NDArray[np.bool_]) -> FloatArray:
    recalls: FloatArray = (said & (labels == 1)).sum(axis=0) / np.maximum(1, labels.sum(axis=0))
    return recalls


def _estimate(value: float, drawn: FloatArray) -> Estimate:
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Estimate(value=value, low=float(low), high=float(high))


def _named_sets(probabilities: FloatArray, limits: FloatArray) -> NDArray[np.str_]:
    by_letter = [
        (dict(zip(SUPERCLASSES, said, strict=True)), dict(zip(SUPERCLASSES, limit, strict=True)))
        for said, limit in zip(probabilities.tolist(), limits.tolist(), strict=True)
    ]
    return np.array(["".join(sorted(CLASS_NAMES[decide(said, limit)])) for said, limit in by_letter])


def _true_sets(labels: FlagArray) -> NDArray[np.str_]:
    """Letters of each record; a record called both normal and abnormal has no name and matches nothing."""
    return np.array(["".join(sorted(np.array(SUPERCLASSES)[row == 1])) for row in labels])


def groups_of(examples: Sequence[Example]) -> dict[str, NDArray[np.bool_]]:
    """Rows by sex and by age band."""
    sexes = np.array([-1 if example.patient.sex is None else example.patient.sex for example in examples])
    known_ages = [example.patient.age_years for example in examples]
    ages = np.array([np.nan if age is None else age for age in known_ages])
    groups = {"female": sexes == 0, "male": sexes == 1}
    for low, high in AGE_BANDS:
        name = f"under {high}" if low == 0 else f"{low} and over" if high > 120 else f"{low}-{high - 1}"
        groups[f"age {name}"] = (ages >= low) & (ages < high)
    return groups


def _group_metrics(
    labels: FlagArray, probabilities: FloatArray, said: NDArray[np.bool_], examples: Sequence[Example]
) -> list[GroupMetrics]:
    return [
        _one_group(name, labels[rows], probabilities[rows], said[rows])
        for name, rows in groups_of(examples).items()
        if rows.any()
    ]


def _one_group(name: str, labels: FlagArray, probabilities: FloatArray, said: NDArray[np.bool_]) -> GroupMetrics:
    positives = labels.sum(axis=0)
    enough = positives >= MIN_POSITIVES_OF_A_GROUP
    measurable = bool((enough & (len(labels) - positives >= MIN_POSITIVES_OF_A_GROUP)).all())
    recalls = _recalls(labels, said)
    return GroupMetrics(
        group=name,
        records=len(labels),
        macro_auc=macro_auc(labels, probabilities) if measurable else None,
        recall={letter: float(recalls[k]) if enough[k] else None for k, letter in enumerate(SUPERCLASSES)},
        ece=float(np.mean([calibration_error(labels[:, k], probabilities[:, k]) for k in range(labels.shape[1])])),
    )
