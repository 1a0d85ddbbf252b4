"""Our waves against the marks of cardiologists (LUDB)."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.delineation import collect

pytestmark = [pytest.mark.shared, pytest.mark.slow]


@pytest.fixture(scope="module")
def errors(shared_dir: Path) -> dict[str, list[float]]:
    return collect(shared_dir / "data" / "ludb")


@pytest.mark.parametrize(
    ("name", "bias_ms", "mean_ms"),
    [
        ("QRS onset", 6, 7),
        ("QRS offset", 6, 8),
        ("QRS duration", 10, 12),
        ("P onset", 7, 10),
        ("PR", 7, 10),
        ("T offset", 10, 13),
        ("QT", 15, 18),
    ],
)
def test_a_bound_lies_near_the_mark(errors: dict[str, list[float]], name: str, bias_ms: float, mean_ms: float) -> None:
    error = np.array(errors[name])
    assert len(error) > 80
    assert abs(error.mean()) < bias_ms
    assert np.abs(error).mean() < mean_ms


def test_p_waves_are_found_where_they_are_and_not_where_not(errors: dict[str, list[float]]) -> None:
    assert np.mean(errors["P present"]) > 0.95
    assert np.mean(errors["P absent"]) < 0.35
