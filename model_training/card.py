"""The model card: what the model is, for whom, how good, and where it fails; a page and three plots.

`python -m model_training.card` writes the page again from model.json, keeping the plots.
"""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from app.core.constants import SUPERCLASS_DESCRIPTIONS
from app.ml.manifest import Manifest, Metrics, parse_manifest
from model_training.artifacts import ARTIFACTS_DIR, MODEL_FILE
from model_training.learning import UnseenAnswers
from model_training.plots import draw_all
from model_training.report import interval, number

CARD_DIR = Path(__file__).resolve().parent / "card"
CARD_FILE = "README.md"

_DISCLAIMER = """\
> **Research and education only.** Not a medical device. Not for diagnosis, triage, treatment or emergency decisions.
> Every answer must be over-read by a qualified person. "Normal ECG" is the label of a dataset, not proof that nothing
> is wrong.
"""

_SYNTHETIC = """\
> **This model was trained on generated signals.** It shows that training and serving work, and knows nothing about
> people.
"""

_USE = """\
## What it is for

- **Intended:** research on 12-lead ECGs, teaching, and trying out software around ECG classification.
- **Not intended:** anything that touches the care of a person; ECGs of children; rhythm diagnosis (a paced rhythm or
  atrial fibrillation is not named); monitoring; single-lead devices.
- **Input:** 12 leads, 10 s at 500 Hz, millivolts; other rates and lengths are resampled and cut, and the answer says
  so.
- **Output:** five calibrated probabilities and the set of superclasses whose threshold is reached. "Normal" is said
  only where no abnormal class is; where nothing reaches its threshold, the most probable class is said alone.
- **Abstention:** where the signal cannot be read, or no heartbeat is found, no class is given. A poor signal is
  answered with a quality verdict beside the class; "abstain" there means that the class should not be used.
"""

_LIMITS = """\
## Known limits

- One maker's devices, one region, 1984-2001: discrimination has been seen to travel to other hospitals, calibration has
  not. Calibrate again before reading a probability as a frequency elsewhere.
- Superclasses are coarse and their labels come from one or two readers; a quarter of the records carry several.
- The commonest error is an abnormal ECG called normal; see the recall column.
- Infarction without Q waves and hypertrophy by voltage alone are the hardest: part of the training signals had been
  normalised lead by lead, so that the model looks at shapes and ratios, never at absolute voltages.
- Swapped electrodes change the class. The service warns of the common swaps; left arm against left leg is not
  detectable that way.
- Groups with few records have wide uncertainty; a dash stands where there were fewer than ten of a class.
- Age, sex, height, weight and axis are used where given. Answers without them are less certain, not wrong.
"""


def write_card(folder: Path, manifest: Manifest, answers: UnseenAnswers | None) -> None:
    """Write the card.

    Parameters
    ----------
    folder : Path
        Gets `README.md` and the plots.
    manifest : Manifest
        Of the model.
    answers : UnseenAnswers or None
        To draw the plots from; None leaves the plots that are there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if answers is not None:
        draw_all(folder, answers)
    (folder / CARD_FILE).write_text(render_card(manifest), encoding="utf-8")


def render_card(manifest: Manifest) -> str:
    """Write the card's text, in Markdown."""
    warning = _DISCLAIMER + (_SYNTHETIC if manifest.training.synthetic else "")
    parts = [f"# Model card: {manifest.model_version}\n", warning, _identity(manifest), _USE, _training(manifest)]
    if manifest.metrics is not None:
        parts.append(_results(manifest.metrics))
    return "\n".join([*parts, _LIMITS])


def _identity(manifest: Manifest) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in manifest.libraries.items())
    members = "\n".join(f"- `{name}`: {words}" for name, words in manifest.members.items())
    return (
        f"- sha256 of `{MODEL_FILE}`: `{manifest.sha256}` ({manifest.size_bytes / 1e6:.1f} MB)\n"
        f"- made {manifest.created:%Y-%m-%d} with Python {manifest.python}, {libraries}\n"
        f"- {manifest.n_features} features of the median beat, the rhythm and the person\n"
        f"- calibration: {manifest.calibration}\n\n"
        f"Members:\n\n{members}\n"
    )


def _training(manifest: Manifest) -> str:
    data = manifest.training
    positives = [[f"{letter} {SUPERCLASS_DESCRIPTIONS[letter]}", str(n)] for letter, n in data.positives.items()]
    return (
        "## What it learned from\n\n"
        f"{data.name}: {data.source} (licence {data.licence}). {data.records} records of {data.patients} patients, "
        f"folds {', '.join(map(str, data.folds))}; patients never cross folds. Left out: "
        f"{data.excluded_without_superclass} records without a superclass, {data.excluded_unusable} in which no "
        "heartbeat could be read. A record may carry several classes. Sex is 0 female, 1 male here (PTB-XL has it the "
        'other way round); the age 300, which means "over 89", is taken as 90.\n\n'
        + _table(["class", "records"], positives)
        + f"\nsha256 over record numbers and labels: `{data.records_sha256}`\n"
    )


def _results(metrics: Metrics) -> str:
    classes = [
        [letter, str(one.positives), interval(one.auc), f"{one.average_precision:.3f}", f"{one.threshold:.2f}",
         interval(one.recall), f"{one.specificity:.3f}", f"{one.precision:.3f}", f"{one.f1:.3f}", f"{one.brier:.3f}",
         f"{one.ece:.3f}"]
        for letter, one in metrics.classes.items()
    ]  # fmt: skip
    groups = [
        [group.group, str(group.records), number(group.macro_auc, ".3f"), f"{group.ece:.3f}"]
        + [number(value, ".2f") for value in group.recall.values()]
        for group in metrics.groups
    ]
    headings = ["class", "positive", "AUC [95 %]", "AP", "threshold", "recall [95 %]", "specificity", "precision", "F1"]
    return (
        "## How good it is\n\n"
        f"{metrics.records} records of {metrics.patients} patients, folds {', '.join(map(str, metrics.folds))}: "
        f"{metrics.protocol}. Intervals: 1000 bootstrap samples of patients.\n\n"
        f"**Macro-AUC {interval(metrics.macro_auc)}**, macro-F1 {metrics.macro_f1:.3f}, macro-ECE "
        f"{metrics.macro_ece:.3f} (15 bins), exact set of classes {metrics.exact_set_accuracy:.1%}.\n\n"
        + _table([*headings, "Brier", "ECE"], classes)
        + "\nThresholds: best F1 on answers about unseen records, steadied by resampling, within 0.15-0.6.\n\n"
        "![ROC](roc.png)\n![Calibration](calibration.png)\n![What is said of which class](cooccurrence.png)\n\n"
        "### By sex and age\n\n"
        + _table(["group", "records", "macro-AUC", "ECE", *(f"recall {letter}" for letter in metrics.classes)], groups)
    )


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> int:
    """Write the committed model's card again, after a change of its words."""
    manifest = parse_manifest((ARTIFACTS_DIR / MODEL_FILE).with_suffix(".json").read_bytes())
    write_card(CARD_DIR, manifest, None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
