from itertools import product

import pytest

from app.core.constants import CLASS_NAMES, SUPERCLASSES
from app.ml.decision import decide

HALF = dict.fromkeys(SUPERCLASSES, 0.5)


def _said(n: float, s: float, m: float, c: float, h: float) -> str:
    probabilities = dict(zip(SUPERCLASSES, (n, s, m, c, h), strict=True))
    return CLASS_NAMES[decide(probabilities, HALF)]


@pytest.mark.parametrize(
    ("probabilities", "name"),
    [
        ((0.9, 0.1, 0.1, 0.1, 0.1), "N"),
        ((0.1, 0.9, 0.1, 0.1, 0.1), "S"),
        ((0.1, 0.9, 0.9, 0.1, 0.1), "MS"),
        ((0.1, 0.1, 0.9, 0.9, 0.9), "MHC"),
        ((0.1, 0.9, 0.9, 0.9, 0.9), "MHCS"),
        ((0.9, 0.1, 0.1, 0.1, 0.6), "H"),  # normal is never said beside an abnormal class
        ((0.1, 0.5, 0.1, 0.1, 0.1), "S"),  # exactly at the threshold is above it
    ],
)
def test_names_the_classes_above_their_thresholds(probabilities: tuple[float, ...], name: str) -> None:
    assert _said(*probabilities) == name


def test_says_the_most_probable_class_alone_where_none_passes() -> None:
    assert _said(0.2, 0.3, 0.4, 0.1, 0.0) == "M"
    assert _said(0.4, 0.3, 0.2, 0.1, 0.0) == "N"


def test_says_the_first_of_equals_where_none_passes() -> None:
    assert _said(0.2, 0.3, 0.3, 0.1, 0.0) == "S"


def test_each_class_has_its_own_threshold() -> None:
    thresholds = {"N": 0.5, "S": 0.5, "M": 0.5, "C": 0.5, "H": 0.2}
    probabilities = {"N": 0.6, "S": 0.4, "M": 0.4, "C": 0.4, "H": 0.3}
    assert CLASS_NAMES[decide(probabilities, thresholds)] == "H"


def test_every_combination_has_one_of_the_sixteen_names() -> None:
    named = {_said(*passed) for passed in product((0.0, 1.0), repeat=5)}
    assert named == set(CLASS_NAMES)
