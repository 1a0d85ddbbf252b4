"""Which ten seconds of a longer recording are read."""

import numpy as np

from app.ecg.crop import best_start
from app.ecg.record import FloatArray
from tests.unit.ecg.helpers import normal_signal


def minute_half() -> FloatArray:
    return np.ascontiguousarray(np.vstack([normal_signal(seed=seed) for seed in range(3)]).T)


def test_a_clean_recording_is_read_from_its_start() -> None:
    assert best_start(minute_half()[:, :6000]) == 0


def test_a_disturbed_start_is_left_out() -> None:
    leads = minute_half()
    leads[:, :1200] += np.random.default_rng(0).normal(0, 0.5, (12, 1200)).astype(np.float32)
    assert best_start(leads) >= 1000


def test_a_fallen_electrode_is_left_out() -> None:
    leads = minute_half()
    leads[7, 2000:7000] = 0
    assert best_start(leads) >= 7000


def test_a_leap_of_the_baseline_is_left_out() -> None:
    leads = minute_half()
    leads[:, :3000] += 4
    assert best_start(leads) >= 3000


def test_ten_seconds_have_only_one_start() -> None:
    assert best_start(minute_half()[:, :5000]) == 0
