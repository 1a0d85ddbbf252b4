"""What is only glanced at is found as surely as by looking at every sample."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.ecg.quality import FLAT_SAMPLES, MIN_STANDARD_DEVIATION_MV, RAIL_SAMPLES, _saturated, silent_leads
from app.ecg.record import N_LEADS, N_SAMPLES, FloatArray


def noise(deviation_mv: float, offset_mv: float = 0.0) -> FloatArray:
    samples = np.random.default_rng(0).normal(offset_mv, deviation_mv, (N_LEADS, N_SAMPLES))
    return samples.astype(np.float32)


@given(
    n_still=st.integers(FLAT_SAMPLES - 30, FLAT_SAMPLES + 30),
    start=st.integers(0, N_SAMPLES - FLAT_SAMPLES - 30),
    lead=st.integers(0, N_LEADS - 1),
)
def test_a_lead_that_is_still_for_a_second_is_found_wherever_that_is(n_still: int, start: int, lead: int) -> None:
    signal = noise(0.2)
    signal[lead, start : start + n_still] = signal[lead, start]
    expected = np.zeros(N_LEADS, np.bool_)
    expected[lead] = n_still >= FLAT_SAMPLES
    np.testing.assert_array_equal(silent_leads(signal), expected)


@given(deviation_mv=st.floats(0.001, 0.1), offset_mv=st.floats(-50, 50))
def test_a_lead_is_faint_by_its_deviation_whatever_its_offset(deviation_mv: float, offset_mv: float) -> None:
    signal = noise(deviation_mv, offset_mv)
    np.testing.assert_array_equal(silent_leads(signal), signal.std(axis=1) < MIN_STANDARD_DEVIATION_MV)


def test_glances_that_happen_to_be_equal_are_no_outage() -> None:
    signal = noise(0.2)
    signal[3, ::25] = 0.1
    assert not silent_leads(signal).any()


@given(
    n_stay=st.integers(RAIL_SAMPLES - 10, RAIL_SAMPLES + 10),
    start=st.integers(0, N_SAMPLES - RAIL_SAMPLES - 10),
    rail_mv=st.sampled_from([-3.0, 3.0]),
)
def test_a_lead_that_stays_at_a_rail_is_found_wherever_that_is(n_stay: int, start: int, rail_mv: float) -> None:
    signal = noise(0.2)
    signal[2, start : start + n_stay] = rail_mv
    expected = np.zeros(N_LEADS, np.bool_)
    expected[2] = n_stay > RAIL_SAMPLES
    np.testing.assert_array_equal(_saturated(signal), expected)
