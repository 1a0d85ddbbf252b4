"""The generator."""

import numpy as np
import pytest

from app.ecg.limb_gains import law_residual
from app.ecg.record import Patient
from app.ecg.synthetic import PATTERNS, synthesize
from tests.unit.ecg.helpers import normal_signal


def test_the_same_seed_makes_the_same_ecg() -> None:
    assert np.array_equal(normal_signal(seed=7), normal_signal(seed=7))


def test_another_seed_makes_another_ecg() -> None:
    assert not np.array_equal(normal_signal(seed=7), normal_signal(seed=8))


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_einthoven_s_law_holds_exactly(pattern: str) -> None:
    signal = normal_signal(pattern=pattern, noise_uv=50)
    assert law_residual(signal[:, :6].T) < 1e-5


def test_the_record_keeps_the_plain_contract() -> None:
    patient = Patient(age_years=40)
    record = synthesize(patient=patient)
    assert record.signal.shape == (5000, 12)
    assert record.signal.dtype == np.float32
    assert record.patient is patient


def test_hypertrophy_is_tall() -> None:
    assert np.ptp(normal_signal(pattern="H")[:, 10]) > 1.5 * np.ptp(normal_signal()[:, 10])


@pytest.mark.parametrize("options", [{"pattern": "X"}, {"heart_rate_bpm": 10}, {"heart_rate_bpm": 300}])
def test_refuses_what_it_cannot_imitate(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"pattern|heart_rate_bpm"):
        synthesize(**options)  # type: ignore[arg-type]
