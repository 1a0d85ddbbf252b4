"""The average of the middle half, by exchanges or by sorting, is what sorting says it is."""

import numpy as np
import pytest

from app.ecg.beats import MAX_EXCHANGED, _exchanges, _interquartile_mean


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
