"""Features: names, invariance, missing values, determinism."""

import numpy as np
import pytest
import scipy.signal

from app.ecg.features import FEATURE_NAMES
from app.ecg.record import LEADS, ECGRecord, FloatArray, Patient
from app.ecg.synthetic import synthesize
from tests.unit.ecg.helpers import changed, features_of, normal_signal, with_signal

PERSON = ("age_years", "sex_male", "height_cm", "weight_kg", "bmi_kg_m2", "stated_axis_cos", "stated_axis_sin")


def values(record: ECGRecord) -> dict[str, float]:
    return dict(zip(FEATURE_NAMES, features_of(record).tolist(), strict=True))


def spread() -> FloatArray:
    """How much each feature differs between hearts."""
    hearts = [
        features_of(synthesize(seed, pattern=p, heart_rate_bpm=60 + 5 * seed)) for seed in range(4) for p in "NSMCH"
    ]
    sd: FloatArray = np.std(hearts, axis=0)
    return np.maximum(sd, 1e-6)


def assert_alike(record: ECGRecord, reference: ECGRecord, tolerance: float) -> None:
    """Compare in units of the difference between hearts."""
    deviation = np.abs(features_of(record) - features_of(reference)) / spread()
    assert np.nanmean(deviation) < tolerance


def test_names_are_unique() -> None:
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)


def test_every_feature_has_a_value_for_a_complete_record() -> None:
    patient = Patient(age_years=60, sex=1, height_cm=170, weight_kg=70, heart_axis="MID")
    features = features_of(synthesize(patient=patient))
    assert features.dtype == np.float32
    assert features.shape == (len(FEATURE_NAMES),)
    assert np.isfinite(features).all()


def test_the_same_record_gives_the_same_bits() -> None:
    assert np.array_equal(features_of(synthesize(3)), features_of(synthesize(3)), equal_nan=True)


@pytest.mark.parametrize("gain", [0.5, 2.0, 4.0])
def test_gain_changes_nothing(gain: float) -> None:
    assert_alike(with_signal(np.float32(gain) * normal_signal()), synthesize(), 1e-3)


def test_the_gain_of_one_chest_lead_changes_nothing() -> None:
    signal = normal_signal()
    signal[:, 9] *= 3
    assert_alike(with_signal(signal), synthesize(), 1e-3)


def test_an_offset_changes_nothing() -> None:
    assert_alike(with_signal(normal_signal() + 0.7), synthesize(), 1e-3)


def test_whole_microvolts_change_nothing() -> None:
    microvolts = np.rint(normal_signal() * 1000).astype(np.int16)
    assert_alike(with_signal(microvolts, units="uV"), synthesize(), 0.01)


@pytest.mark.parametrize(("up", "down"), [(1, 2), (2, 1), (18, 25)])
def test_another_rate_changes_next_to_nothing(up: int, down: int) -> None:
    signal = scipy.signal.resample_poly(normal_signal(), up, down, axis=0, padtype="line")
    assert_alike(with_signal(signal, sampling_rate_hz=500 * up / down), synthesize(), 0.05)


def test_filtering_beforehand_changes_little() -> None:
    sections = scipy.signal.butter(4, (0.5, 40), btype="bandpass", fs=500, output="sos")
    signal = scipy.signal.sosfiltfilt(sections, normal_signal(), axis=0)
    assert_alike(with_signal(signal), synthesize(), 0.05)


def test_normalising_each_lead_changes_next_to_nothing() -> None:
    signal = normal_signal(noise_uv=5)
    assert_alike(with_signal(signal / signal.std(axis=0)), with_signal(signal), 0.01)


def test_what_is_unknown_about_a_person_is_missing() -> None:
    features = values(synthesize())
    assert all(np.isnan(features[name]) for name in PERSON)
    assert features["stated_axis_missing"] == 1


def test_ages_beyond_ninety_are_one() -> None:
    ages = [values(synthesize(patient=Patient(age_years=age)))["age_years"] for age in (89, 90, 97, 120)]
    assert ages == [89, 90, 90, 90]


def test_a_person_changes_only_the_features_of_a_person() -> None:
    known = features_of(synthesize(patient=Patient(age_years=50, sex=0, height_cm=160, weight_kg=64)))
    differing = {
        name
        for name, a, b in zip(FEATURE_NAMES, known, features_of(synthesize()), strict=True)
        if not np.array_equal(a, b, equal_nan=True)
    }
    assert differing == {"age_years", "sex_male", "height_cm", "weight_kg", "bmi_kg_m2"}
    assert dict(zip(FEATURE_NAMES, known, strict=True))["bmi_kg_m2"] == pytest.approx(25)


@pytest.mark.parametrize("lead", ["I", "aVF", "V3"])
def test_a_dead_lead_is_missing_and_nothing_else(lead: str) -> None:
    signal = normal_signal()
    signal[:, LEADS.index(lead)] = 0
    features = values(with_signal(signal))
    assert np.isnan(features[f"{lead}_r_rel"])
    assert np.isfinite(features["V6_r_rel"])
    assert np.isfinite(features["heart_rate_bpm"])


def test_a_necrosis_in_front_takes_r_from_the_right_chest_leads() -> None:
    healthy, infarcted = values(synthesize(0)), values(synthesize(0, pattern="M"))
    assert infarcted["V2_q_rel"] < healthy["V2_q_rel"] - 0.3
    assert infarcted["r_transition"] > healthy["r_transition"]


def test_a_depressed_st_segment_is_seen_in_v5() -> None:
    assert values(synthesize(0, pattern="S"))["V5_st_j80_rel"] < values(synthesize(0))["V5_st_j80_rel"] - 0.1


def test_a_short_recording_has_features() -> None:
    record = changed(
        synthesize(heart_rate_bpm=60), signal=normal_signal(heart_rate_bpm=60)[:2600], sampling_rate_hz=500
    )
    assert np.isfinite(values(record)["qt_ms"])
