"""From five probabilities to one of the sixteen named sets of superclasses."""

from collections.abc import Mapping

from app.core.constants import CLASS_INDEX_BY_LETTERS, NORMAL, SUPERCLASSES


def decide(probabilities: Mapping[str, float], thresholds: Mapping[str, float]) -> int:
    """Name the set of superclasses that an ECG is said to show.

    Every abnormal class at or above its threshold belongs to the set. "Normal" is said only where no abnormal class
    is; and where no class at all reaches its threshold, the most probable one is said alone.

    Parameters
    ----------
    probabilities, thresholds
        By letter of the superclass, 0-1.

    Returns
    -------
    int
        Index into `app.core.constants.CLASS_NAMES`.
    """
    passed = {letter for letter in SUPERCLASSES if probabilities[letter] >= thresholds[letter]}
    abnormal = passed - {NORMAL}
    if not passed:
        abnormal = {max(SUPERCLASSES, key=lambda letter: probabilities[letter])}
    return CLASS_INDEX_BY_LETTERS[frozenset(abnormal or {NORMAL})]
