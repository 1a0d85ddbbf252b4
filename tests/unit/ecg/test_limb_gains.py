"""Einthoven's law and what can be restored by it."""

import numpy as np
import pytest

from app.ecg.limb_gains import law_residual, restoring_gains
from app.ecg.record import FloatArray
from tests.unit.ecg.helpers import normal_signal


def limb_leads(**options: object) -> FloatArray:
    leads = normal_signal(**options).T[:6]
    centred: FloatArray = leads - leads.mean(axis=1, keepdims=True)
    return centred


def test_the_law_holds_as_recorded() -> None:
    assert law_residual(limb_leads()) < 1e-5


def test_the_residual_is_the_largest_deviation() -> None:
    leads = limb_leads()
    leads[2, 100] += 0.25
    assert law_residual(leads) == pytest.approx(0.25, abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_lost_ratios_are_found_again(seed: int) -> None:
    gains = np.random.default_rng(seed).uniform(0.3, 3, 6).astype(np.float32)
    restored = restoring_gains(limb_leads(seed=seed) * gains[:, None])
    assert restored is not None
    product = restored * gains
    assert np.allclose(product / product[0], 1, atol=1e-3)
    assert np.prod(restored) == pytest.approx(1, rel=1e-3)


def test_equal_gains_need_no_restoring() -> None:
    assert restoring_gains(3 * limb_leads()) is None


def test_interchanged_leads_have_no_gains_that_help() -> None:
    assert restoring_gains(limb_leads()[[4, 1, 5, 3, 0, 2]]) is None


def test_a_dead_lead_leaves_the_gains_undetermined() -> None:
    leads = limb_leads()
    leads[1] = 0
    assert restoring_gains(leads) is None


def test_a_single_direction_leaves_the_gains_undetermined() -> None:
    shape = limb_leads()[1]
    assert restoring_gains(np.outer([1, 2, 1, -1.5, 0.2, 1.5], shape).astype(np.float32)) is None
