"""Whatever the numbers are: a refusal with a code or finite results, and never a warning."""

import numpy as np
import numpy.typing as npt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from app.ecg.analysis import analyse
from app.ecg.errors import ECGError
from app.ecg.features import FEATURE_NAMES, extract
from app.ecg.pipeline import prepare
from app.ecg.record import LEADS, ECGRecord
from tests.unit.ecg.helpers import normal_signal

SLOW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def assert_refused_or_read(record: ECGRecord) -> None:
    try:
        prepared = prepare(record)
        analysis = analyse(prepared)
    except ECGError:
        return
    features = extract(prepared, analysis)
    assert features.shape == (len(FEATURE_NAMES),)
    assert not np.isinf(features).any()
    assert np.isfinite(analysis.measurements.heart_rate_bpm)
    assert analysis.measurements.qrs_duration_ms > 0


@SLOW
@given(
    block=hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int16, np.int32]),
        st.tuples(st.integers(1, 50), st.just(12)),
    )
)
def test_any_repeated_block_of_numbers(block: npt.NDArray[np.generic]) -> None:
    assert_refused_or_read(ECGRecord(signal=np.resize(block, (5000, 12))))


@SLOW
@given(
    seed=st.integers(0, 2**32 - 1),
    gain=st.floats(1e-4, 1e3),
    shape=st.sampled_from(["noise", "steps", "spikes", "walk"]),
)
def test_any_disturbance(seed: int, gain: float, shape: str) -> None:
    rng = np.random.default_rng(seed)
    made = {
        "noise": lambda: rng.normal(size=(5000, 12)),
        "steps": lambda: np.repeat(rng.normal(size=(50, 12)), 100, axis=0),
        "spikes": lambda: (rng.random((5000, 12)) < 0.001) * rng.normal(size=(5000, 12)),
        "walk": lambda: np.cumsum(rng.normal(size=(5000, 12)), axis=0),
    }
    assert_refused_or_read(ECGRecord(signal=gain * made[shape]()))


@SLOW
@given(dead=st.sets(st.integers(0, 11)), gain=st.floats(0.05, 5), heart_rate_bpm=st.floats(25, 220))
def test_any_set_of_dead_leads(dead: set[int], gain: float, heart_rate_bpm: float) -> None:
    signal = gain * normal_signal(heart_rate_bpm=heart_rate_bpm)
    signal[:, sorted(dead)] = 0
    assert_refused_or_read(ECGRecord(signal=signal))


@SLOW
@given(
    n_samples=st.integers(1, 8000),
    rate_hz=st.floats(allow_nan=True, allow_infinity=True) | st.floats(50, 2000),
    n_leads=st.integers(0, 15),
    units=st.text(max_size=3) | st.sampled_from(["mV", "uV"]),
)
def test_any_shape_rate_and_unit(n_samples: int, rate_hz: float, n_leads: int, units: str) -> None:
    signal = np.resize(normal_signal(), (n_samples, n_leads))
    assert_refused_or_read(ECGRecord(signal=signal, sampling_rate_hz=rate_hz, units=units))


@SLOW
@given(names=st.lists(st.sampled_from([*LEADS, "avr", "V7", "", "×"]) | st.text(max_size=4), min_size=12, max_size=12))
def test_any_names_of_leads(names: list[str]) -> None:
    assert_refused_or_read(ECGRecord(signal=normal_signal(), leads=tuple(names)))
