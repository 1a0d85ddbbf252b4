"""The plots of the model card."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from app.core.constants import SUPERCLASSES
from model_training.extras import require
from model_training.learning import UnseenAnswers
from model_training.metrics import auc, calibration_error

FloatArray = NDArray[np.float64]
CALIBRATION_BINS: Final = 10
COLOURS: Final = ("#0072B2", "#E69F00", "#D55E00", "#009E73", "#CC79A7")  # Okabe and Ito: told apart by everybody
MARKERS: Final = ("o", "s", "^", "D", "v")
_DPI: Final = 110


def draw_all(folder: Path, answers: UnseenAnswers) -> dict[str, Path]:
    """Draw every plot as PNG and return the files by name."""
    drawings: dict[str, tuple[tuple[float, float], Callable[[Any, UnseenAnswers], None]]] = {
        "roc": ((5.6, 5.2), _draw_roc),
        "calibration": ((5.6, 5.2), _draw_calibration),
        "cooccurrence": ((5.6, 4.8), _draw_cooccurrence),
    }
    return {name: _save(folder / f"{name}.png", size, draw, answers) for name, (size, draw) in drawings.items()}


def _save(
    path: Path, size: tuple[float, float], draw: Callable[[Any, UnseenAnswers], None], answers: UnseenAnswers
) -> Path:
    figure = require("matplotlib.figure").Figure(figsize=size, layout="constrained")
    draw(figure.add_subplot(), answers)
    figure.savefig(path, dpi=_DPI, metadata={"Software": None})
    return path


def _draw_roc(axes: Any, answers: UnseenAnswers) -> None:
    labels = answers.data.labels
    for k, letter in enumerate(SUPERCLASSES):
        truth, scores = labels[:, k], answers.probabilities[:, k]
        false_rate, true_rate, _ = roc_curve(truth, scores)
        axes.plot(false_rate, true_rate, color=COLOURS[k], label=f"{letter} {auc(truth, scores):.3f}")
        said = scores >= answers.thresholds[:, k]
        point = ((said & (truth == 0)).sum() / (truth == 0).sum(), (said & (truth == 1)).sum() / truth.sum())
        axes.plot(*point, MARKERS[k], color=COLOURS[k])
    axes.plot([0, 1], [0, 1], ":", color="grey")
    axes.set(xlabel="1 - specificity", ylabel="recall", title="ROC, unseen records; marks: chosen thresholds")
    axes.legend(title="class, AUC", loc="lower right")


def _draw_calibration(axes: Any, answers: UnseenAnswers) -> None:
    for k, letter in enumerate(SUPERCLASSES):
        truth, said = answers.data.labels[:, k], answers.probabilities[:, k]
        edges = np.quantile(said, np.linspace(0, 1, CALIBRATION_BINS + 1)[1:-1])
        bins = np.digitize(said, edges)
        stated = [said[bins == b].mean() for b in np.unique(bins)]
        found = [truth[bins == b].mean() for b in np.unique(bins)]
        label = f"{letter} {calibration_error(truth, said):.3f}"
        axes.plot(stated, found, color=COLOURS[k], marker=MARKERS[k], label=label)
    axes.plot([0, 1], [0, 1], ":", color="grey")
    axes.set(xlabel="probability stated", ylabel="share found", title="Calibration by tenths of the unseen records")
    axes.legend(title="class, ECE", loc="upper left")


def _draw_cooccurrence(axes: Any, answers: UnseenAnswers) -> None:
    labels = answers.data.labels == 1
    said = answers.probabilities >= answers.thresholds
    share = np.array([said[present].mean(axis=0) for present in labels.T])
    axes.imshow(share, vmin=0, vmax=1, cmap="Blues")
    for i, row in enumerate(share):
        for j, value in enumerate(row):
            axes.text(j, i, f"{value:.2f}", ha="center", va="center", color="white" if value > 0.6 else "black")
    names = [f"{letter} ({labels[:, k].sum()})" for k, letter in enumerate(SUPERCLASSES)]
    axes.set_xticks(range(len(SUPERCLASSES)), SUPERCLASSES)
    axes.set_yticks(range(len(SUPERCLASSES)), names)
    axes.set(xlabel="class said (above its threshold)", ylabel="class present (records)")
    axes.set_title("Of the records with a class, the share said to have each")
