"""Judge a model on ECGs it was not trained on.

`uv run python -m model_training.evaluate --data FOLDER --folds 10` reads PTB-XL as published or packed, and prints what
the service would have answered: discrimination, calibration, recall at the model's thresholds, sex and age groups.
"""

import argparse
import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

if not __package__:  # started as a script: the project is not on the path yet
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray

from app.core.constants import SUPERCLASSES
from app.ecg.errors import ECGError
from app.ecg.pipeline import prepare
from app.ecg.record import ECGRecord
from app.ml import artifact
from app.ml.errors import ArtifactError
from app.ml.manifest import Manifest, Metrics
from model_training.artifacts import ARTIFACTS_DIR, MODEL_FILE
from model_training.extras import MissingExtraError
from model_training.folds import parse_folds
from model_training.metrics import evaluate
from model_training.report import format_metrics
from model_training.sources import DataError, Example, Source, open_source
from model_training.training_set import flags
from model_training.workers import Workers, hired_workers

EXIT_REFUSED: Final = 2
BATCH_SIZE: Final = 16

FloatArray = NDArray[np.float64]


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate, print, and write the figures where asked; the exit status is 2 where that was not possible."""
    options = _parser().parse_args(arguments)
    try:
        source = open_source(options.data, seed=options.seed)
        with hired_workers(options.jobs, None, quiet=options.quiet) as workers:
            metrics = evaluate_model(options.model, source, options.folds, workers)
    except (ArtifactError, DataError, MissingExtraError) as error:
        print(error, file=sys.stderr)
        return EXIT_REFUSED
    print(format_metrics(metrics))
    if options.out is not None:
        options.out.write_text(metrics.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return 0


def evaluate_model(model: Path, source: Source, folds: frozenset[int] | None, workers: Workers) -> Metrics:
    """Let the served model answer every labelled ECG of a source.

    Parameters
    ----------
    model : Path
        The model file.
    source : Source
    folds : frozenset of int or None
        Which folds to judge; None takes all that are there.
    workers : Workers

    Raises
    ------
    ArtifactError
        If the model must not be used.
    DataError
        If there is no labelled record in these folds, or not one that can be read.
    """
    manifest = artifact.load(model).manifest
    chosen = [
        index
        for index, example in enumerate(source.examples)
        if example.labels and (folds is None or example.fold in folds)
    ]
    answers = _answers(model, source, chosen, workers)
    readable = [(source.examples[index], answer) for index, answer in zip(chosen, answers, strict=True) if answer.size]
    if not readable:
        raise DataError("there is no labelled and readable record in these folds")
    examples: list[Example] = [example for example, _ in readable]
    protocol = f"answers of {model.name} as it is served"
    if unreadable := len(chosen) - len(readable):
        protocol += f"; {unreadable} unreadable left out"
    if seen := _folds_seen_in_training(examples, source, manifest):
        protocol += f"; NOT A TEST: the model was trained on folds {', '.join(map(str, seen))}"
    return evaluate(
        flags([example.labels for example in examples], SUPERCLASSES),
        np.stack([answer for _, answer in readable]),
        examples,
        np.array([manifest.thresholds[letter] for letter in SUPERCLASSES]),
        protocol,
    )


def _folds_seen_in_training(examples: Sequence[Example], source: Source, manifest: Manifest) -> list[int]:
    """Return the folds the model knows; generated ECGs are new with every seed, whatever their fold."""
    if source.synthetic or source.origin != manifest.training.source:
        return []
    return sorted({example.fold for example in examples} & set(manifest.training.folds))


def _answers(model: Path, source: Source, chosen: Sequence[int], workers: Workers) -> list[FloatArray]:
    batches = [chosen[start : start + BATCH_SIZE] for start in range(0, len(chosen), BATCH_SIZE)]
    calls = ((model, [source.record(index) for index in batch]) for batch in batches)
    results = workers.run(_answer_batch, calls, len(batches), "answers")
    return [answer for batch in results for answer in batch]


def _answer_batch(model: Path, records: list[ECGRecord]) -> list[FloatArray]:
    """Probabilities (5,) of each record, empty where it cannot be read."""
    classifier = _loaded(model)
    answers = []
    for record in records:
        try:
            diagnosis = classifier.classify(prepare(record)).diagnosis
        except ECGError:
            answers.append(np.empty(0))
        else:
            answers.append(np.array(list(diagnosis.probabilities.values())))
    return answers


_loaded: Final = functools.lru_cache(maxsize=1)(artifact.load)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="evaluate.py", description="Judge a model on ECGs it was not trained on.")
    add = parser.add_argument
    add("--data", required=True, help="a PTB-XL folder, as published or packed, or the word synthetic")
    add("--folds", type=parse_folds, help="judge these folds only, such as 10 or 9-10 (default: all that are there)")
    add("--model", type=Path, default=ARTIFACTS_DIR / MODEL_FILE, help="the model file (default: the service's)")
    add("--out", type=Path, help="also write the figures to this JSON file")
    add("--jobs", type=int, default=1, help="processes; -1 is one a core (default: 1)")
    add("--seed", type=int, default=1, help="of generated ECGs (default: 1, unlike training's)")
    add("--quiet", action="store_true", help="no progress bars")
    return parser


if __name__ == "__main__":
    sys.exit(main())
