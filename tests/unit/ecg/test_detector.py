"""The detector called from inside finds the beats of the library's own call."""

import numpy as np
import numpy.typing as npt
import pytest
from sleepecg.heartbeats import detect_heartbeats

from app.ecg.detector import RATE_HZ, rough_beats
from tests.unit.ecg.helpers import normal_signal

Signal = npt.NDArray[np.float64]


def activity(*, n_flat: int = 0, **options: object) -> Signal:
    """Return the speed of one lead at `RATE_HZ`, after some samples of silence."""
    lead = normal_signal(**options)[::2, 1].astype(np.float64)
    return np.concatenate([np.zeros(n_flat), np.abs(np.diff(lead))])


@pytest.mark.parametrize("heart_rate_bpm", [30, 50, 75, 120, 200])
@pytest.mark.parametrize("pattern", ["N", "M", "H"])
@pytest.mark.parametrize("n_flat", [0, 1, 2, 3, 400])
def test_the_beats_are_those_of_the_library(heart_rate_bpm: float, pattern: str, n_flat: int) -> None:
    signal = activity(n_flat=n_flat, heart_rate_bpm=heart_rate_bpm, pattern=pattern)
    expected = detect_heartbeats(signal, RATE_HZ)
    assert len(expected) >= 4
    np.testing.assert_array_equal(rough_beats(signal), expected)


@pytest.mark.parametrize("seed", range(20))
def test_so_they_are_in_noise(seed: int) -> None:
    noise = np.abs(np.random.default_rng(seed).normal(size=2500))
    np.testing.assert_array_equal(rough_beats(noise), detect_heartbeats(noise, RATE_HZ))


@pytest.mark.parametrize("n_lively", [0, 1, 10, 37])
def test_silence_has_no_beats(n_lively: int) -> None:
    signal = np.zeros(2500)
    signal[2500 - n_lively :] = np.arange(1, n_lively + 1)
    assert rough_beats(signal).size == 0
