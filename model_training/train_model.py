"""Train the model that the service ships.

`uv run python model_training/train_model.py` reads PTB-XL from datasets/ptb-xl; `--data FOLDER` from anywhere else, as
published or packed; `--data synthetic` makes its own ECGs: a smoke test, not a model.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

PROJECT_DIR: Final = Path(__file__).resolve().parent.parent
if not __package__:  # started as a script: the project is not on the path yet
    sys.path.insert(0, str(PROJECT_DIR))

from app.ml.manifest import Manifest  # noqa: E402
from model_training.artifacts import (  # noqa: E402
    ARTIFACTS_DIR,
    MODEL_FILE,
    SYNTHETIC_DIR,
    WouldOverwriteError,
    refuse_to_overwrite_real,
    save,
)
from model_training.card import write_card  # noqa: E402
from model_training.extraction import CACHE_DIR, extract_all  # noqa: E402
from model_training.extras import MissingExtraError, installed, require  # noqa: E402
from model_training.folds import in_folds, parse_folds  # noqa: E402
from model_training.learning import Trained, train  # noqa: E402
from model_training.net.recipe import WaveformNetwork  # noqa: E402
from model_training.recipes import Boosting, ExtraTrees, Recipe  # noqa: E402
from model_training.report import format_metrics  # noqa: E402
from model_training.sources import DataError, Source, open_source  # noqa: E402
from model_training.sources.opening import SYNTHETIC  # noqa: E402
from model_training.sources.synthetic import DEFAULT_RECORDS  # noqa: E402
from model_training.statements import StatementBoosters  # noqa: E402
from model_training.workers import hired_workers  # noqa: E402

DEFAULT_DATA: Final = PROJECT_DIR / "datasets" / "ptb-xl"
CARD_DIR: Final = PROJECT_DIR / "model_training" / "card"
EXIT_REFUSED: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, write, report; the exit status is 2 where the data, a package or the target stand in the way."""
    options = _parser().parse_args(arguments)
    try:
        manifest, path = _run(options)
    except (DataError, MissingExtraError, WouldOverwriteError) as error:
        print(error, file=sys.stderr)
        return EXIT_REFUSED
    if manifest.metrics is not None:
        print(format_metrics(manifest.metrics))
    print(f"wrote {path}: {manifest.size_bytes / 1e6:.1f} MB, {manifest.model_version}, sha256 {manifest.sha256}")
    return 0


def _run(options: argparse.Namespace) -> tuple[Manifest, Path]:
    data_option = options.data or _default_data()
    source = open_source(data_option, seed=options.seed, n_synthetic=options.synthetic_records)
    folder = options.out or (ARTIFACTS_DIR / SYNTHETIC_DIR if source.synthetic else ARTIFACTS_DIR)
    path = folder / MODEL_FILE
    if not options.force:
        refuse_to_overwrite_real(path, source)
    card_folder = None if options.no_card else _card_folder(options.card, folder)
    recipes = _recipes(options)
    trained = _train(source, recipes, options)
    manifest = save(path, trained, recipes, source)
    if card_folder is not None:
        write_card(card_folder, manifest, trained.unseen)
    return manifest, path


def _train(source: Source, recipes: Sequence[Recipe], options: argparse.Namespace) -> Trained:
    with hired_workers(options.jobs, options.scheduler, quiet=options.quiet) as workers:
        cache_dir = None if options.no_cache else CACHE_DIR
        data = extract_all(source, workers, cache_dir, with_waveforms=any(recipe.sees_waveform for recipe in recipes))
        if options.folds:
            data = in_folds(data, options.folds)
        return train(data, recipes, source.protocol, options.seed, workers, cache_dir=cache_dir)


def _default_data() -> str:
    if DEFAULT_DATA.is_dir():
        return str(DEFAULT_DATA)
    print(
        f"There is no {DEFAULT_DATA.relative_to(PROJECT_DIR)}, so this trains on generated ECGs. Such a model shows "
        "that everything works and knows nothing about people: it goes to a folder of its own.\n"
        "For a real one: `uv run --extra train python -m model_training.download`, or --data with a PTB-XL folder.",
        file=sys.stderr,
    )
    return SYNTHETIC


def _card_folder(asked: Path | None, folder: Path) -> Path | None:
    """Where the card goes, or None where it cannot be drawn and nobody asked for it by name."""
    try:
        require("matplotlib")
    except MissingExtraError:
        if asked is not None:
            raise
        print("matplotlib is not installed: no model card is drawn (`uv sync --extra train`)", file=sys.stderr)
        return None
    if asked is not None:
        return asked
    return CARD_DIR if folder.resolve() == ARTIFACTS_DIR else folder / "card"


def _recipes(options: argparse.Namespace) -> list[Recipe]:
    recipes: list[Recipe] = [
        ExtraTrees(n_trees=options.trees),
        Boosting(n_rounds=options.rounds),
        StatementBoosters(n_rounds=min(options.rounds, StatementBoosters.n_rounds)),
    ]
    if options.no_net:
        return recipes
    if installed("torch"):
        return [*recipes, WaveformNetwork()]
    print(
        "WITHOUT THE NETWORK: PyTorch is not installed, so this model is made of trees alone, and is the worse for it. "
        "Install it with `uv sync --extra net`, or say --no-net to mean it.",
        file=sys.stderr,
    )
    return recipes


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="train_model.py", description="Train the ECG classifier and write it.")
    add = parser.add_argument
    add("--data", help="a PTB-XL folder, as published or packed, or the word synthetic (default: datasets/ptb-xl)")
    add("--out", type=Path, help="folder of model.pkl and model.json (default: app/ml_artifacts)")
    add("--card", type=Path, help="folder of the model card (default: model_training/card, or card/ under --out)")
    add("--no-card", action="store_true", help="draw no model card")
    add("--force", action="store_true", help="let a synthetic model replace a real one")
    add("--folds", type=parse_folds, help="use these folds only, such as 1-8 or 1,3,5")
    add("--seed", type=int, default=0, help="the same seed gives the same model to the bit (default: 0)")
    add("--jobs", type=int, default=1, help="processes; -1 is one a core (default: 1)")
    add("--scheduler", metavar="ADDRESS", help="compute on this dask cluster instead, such as tcp://10.0.0.1:8786")
    add("--no-cache", action="store_true", help=f"neither read nor fill {CACHE_DIR.relative_to(PROJECT_DIR)}")
    add("--quiet", action="store_true", help="no progress bars")
    add("--trees", type=int, default=ExtraTrees.n_trees, help=f"extra-trees (default: {ExtraTrees.n_trees})")
    add("--rounds", type=int, default=Boosting.n_rounds, help=f"boosting rounds a class (default: {Boosting.n_rounds})")
    add("--no-net", action="store_true", help="leave out the network over the waveform, which PyTorch trains")
    add("--synthetic-records", type=int, default=DEFAULT_RECORDS, help=f"generated ECGs (default: {DEFAULT_RECORDS})")
    return parser


if __name__ == "__main__":
    sys.exit(main())
