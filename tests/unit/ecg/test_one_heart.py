"""What is no ECG gets no diagnosis; what is one, however hard to read, does."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from app.ecg.analysis import analyse
from app.ecg.errors import ErrorCode, UnusableECG
from app.ecg.pipeline import prepare
from app.ecg.synthetic import synthesize
from benchmarks.delineation import read_folder
from tests.unit.ecg.helpers import normal_signal, with_signal

Signal = npt.NDArray[np.floating]


def assert_no_beats(signal: Signal) -> None:
    with pytest.raises(UnusableECG) as caught:
        analyse(prepare(with_signal(signal)))
    assert caught.value.code == ErrorCode.NO_BEATS


def rectangles(seed: int, n_pulses: int) -> Signal:
    """Return pulses of any place, width and height over 20 uV of noise, the same in all leads."""
    rng = np.random.default_rng(seed)
    signal = np.zeros((5000, 12))
    for _ in range(n_pulses):
        start, width = rng.integers(0, 4800), rng.integers(10, 400)
        signal[start : start + width] += rng.uniform(0.3, 1.5)
    return signal + rng.normal(0, 0.02, signal.shape)


@pytest.mark.parametrize("at", [100, 1234, 2500, 4900])
def test_one_spike_is_no_heart(at: int) -> None:
    signal = np.zeros((5000, 12))
    signal[at] = 1
    assert_no_beats(signal)


@pytest.mark.parametrize("at", [100, 1234, 2500, 4900])
def test_one_step_is_no_heart(at: int) -> None:
    signal = np.zeros((5000, 12))
    signal[at:] = 1
    assert_no_beats(signal)


@pytest.mark.parametrize("n_pulses", [3, 6])
@pytest.mark.parametrize("seed", range(5))
def test_rectangular_pulses_are_no_heart(seed: int, n_pulses: int) -> None:
    assert_no_beats(rectangles(seed, n_pulses))


@pytest.mark.parametrize("seed", range(5))
def test_spikes_that_differ_are_no_heart(seed: int) -> None:
    rng = np.random.default_rng(seed)
    signal = rng.normal(0, 0.02, (5000, 12))
    signal[400:5000:800] += rng.normal(size=(6, 12))
    assert_no_beats(signal)


@pytest.mark.parametrize("seed", range(5))
def test_an_ecg_that_drowns_in_noise_cannot_be_read(seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 0.5, (5000, 12))
    assert_no_beats(normal_signal(seed=seed) + noise)


@pytest.mark.parametrize("seed", range(5))
def test_an_ecg_in_strong_noise_is_still_read(seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 0.2, (5000, 12))
    measurements = analyse(prepare(with_signal(normal_signal(seed=seed) + noise))).measurements
    assert measurements.heart_rate_bpm == pytest.approx(70, rel=0.05)


@pytest.mark.parametrize("heart_rate_bpm", [30, 40, 220])
def test_a_very_slow_or_fast_heart_is_a_heart(heart_rate_bpm: float) -> None:
    measurements = analyse(prepare(synthesize(heart_rate_bpm=heart_rate_bpm))).measurements
    assert measurements.heart_rate_bpm == pytest.approx(heart_rate_bpm, rel=0.05)


def test_an_electrode_pop_does_not_hide_the_heart() -> None:
    signal = normal_signal()
    signal[1700] += 5
    assert analyse(prepare(with_signal(signal))).measurements.heart_rate_bpm == pytest.approx(70, rel=0.1)


@pytest.mark.shared
@pytest.mark.slow
def test_every_recording_of_patients_is_read(shared_dir: Path) -> None:
    recordings = list(read_folder(shared_dir / "data" / "ludb"))
    assert len(recordings) == 100
    for recording in recordings:
        analyse(prepare(recording.record))
