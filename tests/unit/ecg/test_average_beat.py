"""The average of the middle half is what sorting says it is, and no lead is too faint for finding beats."""

import numpy as np
import pytest

from app.ecg.beats import MAX_EXCHANGED, _exchanges, _interquartile_mean, find_beats
from tests.unit.ecg.helpers import normal_signal


@pytest.mark.parametrize("n_beats", [*range(2, MAX_EXCHANGED + 3), 50])
def test_the_middle_half_is_averaged_at_every_sample(n_beats: int) -> None:
    beats = np.random.default_rng(n_beats).normal(size=(n_beats, 3, 40)).astype(np.float32)
    cut = n_beats // 4
    expected = np.sort(beats, axis=0)[cut : n_beats - cut].mean(axis=0)
    np.testing.assert_allclose(_interquartile_mean(beats), expected, atol=1e-6)


@pytest.mark.parametrize("n_beats", range(2, MAX_EXCHANGED + 1))
def test_exchanges_order_the_middle_half(n_beats: int) -> None:
    rng = np.random.default_rng(n_beats)
    orders = rng.permuted(np.tile(np.arange(n_beats), (500, 1)), axis=1)
    for low, high in _exchanges(n_beats):
        first, second = orders[:, low].copy(), orders[:, high].copy()
        orders[:, low], orders[:, high] = np.minimum(first, second), np.maximum(first, second)
    cut = n_beats // 4
    middle = np.arange(cut, n_beats - cut)
    np.testing.assert_array_equal(orders[:, middle], np.tile(middle, (500, 1)))


def test_the_beats_averaged_stay_as_they_are() -> None:
    beats = np.random.default_rng(0).normal(size=(12, 3, 40)).astype(np.float32)
    before = beats.copy()
    _interquartile_mean(beats)
    np.testing.assert_array_equal(beats, before)


@pytest.mark.parametrize("gain", [0, 1e-30, 1e-20, 1e-12, 1e-6])
def test_a_faint_lead_changes_no_beat(gain: float) -> None:
    leads = normal_signal().T.copy()
    expected = find_beats(leads)
    leads[7] *= np.float32(gain)
    found = find_beats(leads)
    assert np.isfinite(found.average).all()
    np.testing.assert_allclose(found.r_peaks, expected.r_peaks, atol=2)
