"""What `prepare` refuses, changes and says."""

from typing import Any

import numpy as np
import pytest

from app.ecg.errors import ECGError, ErrorCode, InvalidECG, UnusableECG
from app.ecg.notices import NoticeCode
from app.ecg.pipeline import prepare
from app.ecg.quality import LeadQuality, Verdict
from app.ecg.record import LEADS, ECGRecord, Patient
from app.ecg.synthetic import synthesize
from tests.unit.ecg.helpers import codes, normal_signal, with_signal

EIGHT = [LEADS.index(lead) for lead in ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")]


def refusal(record: ECGRecord) -> ECGError:
    with pytest.raises(ECGError) as caught:
        prepare(record)
    return caught.value


def spoiled(value: float) -> ECGRecord:
    signal = normal_signal()
    signal[1234, 5] = value
    return with_signal(signal)


class TestRefuses:
    def test_eleven_leads(self) -> None:
        error = refusal(with_signal(normal_signal()[:, :11]))
        assert isinstance(error, InvalidECG)
        assert error.code == ErrorCode.WRONG_LEAD_COUNT
        assert error.params == {"expected": 12, "received": 11}

    def test_a_missing_sample(self) -> None:
        error = refusal(with_signal(normal_signal()[:4999]))
        assert error.code == ErrorCode.WRONG_SAMPLE_COUNT
        assert error.params == {"expected": 5000, "received": 4999}

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_what_is_not_finite(self, value: float) -> None:
        assert refusal(spoiled(value)).code == ErrorCode.NON_FINITE

    @pytest.mark.parametrize("value", [1001.0, -1e6, 3e38])
    def test_a_voltage_no_heart_makes(self, value: float) -> None:
        assert refusal(spoiled(value)).code == ErrorCode.IMPLAUSIBLE_AMPLITUDE

    def test_a_double_that_would_overflow(self) -> None:
        signal = normal_signal().astype(np.float64)
        signal[0, 0] = 1e300
        assert refusal(with_signal(signal)).code == ErrorCode.IMPLAUSIBLE_AMPLITUDE

    @pytest.mark.parametrize("factor", [1000, 0.001])
    def test_units_a_thousand_times_off(self, factor: float) -> None:
        error = refusal(with_signal(normal_signal() * np.float32(factor)))
        assert error.code == ErrorCode.IMPLAUSIBLE_AMPLITUDE
        assert error.params == {"minimum_mv": 0.05, "maximum_mv": 20.0}

    def test_unknown_units(self) -> None:
        assert refusal(with_signal(normal_signal(), units="V")).code == ErrorCode.UNKNOWN_UNITS

    @pytest.mark.parametrize("signal", [np.zeros(5000), np.zeros((5000, 12, 1)), np.zeros((0, 12))])
    def test_what_is_no_matrix(self, signal: Any) -> None:
        assert refusal(with_signal(signal)).code == ErrorCode.NOT_A_MATRIX

    @pytest.mark.parametrize("dtype", [object, complex, bool, "U8"])
    def test_what_is_no_number(self, dtype: Any) -> None:
        assert refusal(with_signal(np.zeros((5000, 12), dtype))).code == ErrorCode.NOT_NUMERIC

    @pytest.mark.parametrize("rate_hz", [0, -500, 49.9, 1e5, np.nan, np.inf])
    def test_a_rate_no_device_has(self, rate_hz: float) -> None:
        assert refusal(with_signal(normal_signal(), sampling_rate_hz=rate_hz)).code == ErrorCode.INVALID_SAMPLING_RATE

    def test_less_than_five_seconds(self) -> None:
        assert refusal(with_signal(normal_signal()[:2499], sampling_rate_hz=500)).code == ErrorCode.TOO_SHORT

    def test_more_than_a_minute(self) -> None:
        signal = np.tile(normal_signal(), (7, 1))
        assert refusal(with_signal(signal, sampling_rate_hz=500)).code == ErrorCode.TOO_LONG

    @pytest.mark.parametrize(
        ("n_samples", "code", "received_s"), [(30_001, ErrorCode.TOO_LONG, 60.01), (2499, ErrorCode.TOO_SHORT, 4.99)]
    )
    def test_a_sample_beyond_the_bounds_without_rounding_it_back(
        self, n_samples: int, code: ErrorCode, received_s: float
    ) -> None:
        error = refusal(with_signal(np.resize(normal_signal(), (n_samples, 12)), sampling_rate_hz=500))
        assert (error.code, error.params["received_s"]) == (code, received_s)

    def test_only_limb_leads_that_cannot_be_derived(self) -> None:
        names = ("III", *LEADS[6:])
        signal = normal_signal()[:, [LEADS.index(lead) for lead in names]]
        assert refusal(with_signal(signal, leads=names)).params == {"leads": ["I", "II", "aVR", "aVL", "aVF"]}

    def test_missing_leads_by_name(self) -> None:
        names = tuple(lead for lead in LEADS if lead not in {"V2", "III"})
        signal = normal_signal()[:, [LEADS.index(lead) for lead in names]]
        error = refusal(with_signal(signal, leads=names))
        assert error.code == ErrorCode.MISSING_LEADS
        assert error.params == {"leads": ["V2"]}

    def test_a_lead_given_twice(self) -> None:
        error = refusal(with_signal(normal_signal(), leads=("i", *LEADS[:11])))
        assert error.code == ErrorCode.DUPLICATE_LEAD

    def test_a_flat_signal_as_unusable(self) -> None:
        error = refusal(with_signal(np.zeros((5000, 12), np.float32)))
        assert isinstance(error, UnusableECG)
        assert error.code == ErrorCode.FLAT_SIGNAL

    def test_constant_leads_as_unusable(self) -> None:
        assert refusal(with_signal(np.full((5000, 12), 2.5))).code == ErrorCode.FLAT_SIGNAL


class TestSays:
    def test_nothing_about_a_clean_ecg(self) -> None:
        prepared = prepare(synthesize())
        assert prepared.notices == ()
        assert prepared.quality.overall == Verdict.ACCEPT
        assert set(prepared.quality.leads.values()) == {LeadQuality.OK}

    def test_that_units_were_converted(self) -> None:
        microvolts = np.rint(normal_signal() * 1000).astype(np.int16)
        prepared = prepare(with_signal(microvolts, units="uV"))
        assert codes(prepared) == {NoticeCode.UNITS_CONVERTED}
        assert np.abs(prepared.signal - normal_signal()).max() <= 0.0006

    def test_that_leads_were_reordered(self) -> None:
        names = tuple(lead.upper() for lead in reversed(LEADS))
        prepared = prepare(with_signal(normal_signal()[:, ::-1], leads=names))
        assert codes(prepared) == {NoticeCode.LEADS_REORDERED}
        assert np.array_equal(prepared.signal, normal_signal())

    def test_which_leads_were_derived(self) -> None:
        names = tuple(LEADS[row] for row in EIGHT)
        prepared = prepare(with_signal(normal_signal()[:, EIGHT], leads=names))
        assert [(n.code, n.params["leads"]) for n in prepared.notices] == [
            (NoticeCode.LEADS_DERIVED, ["III", "aVR", "aVL", "aVF"])
        ]
        assert np.allclose(prepared.signal, normal_signal(), atol=1e-5)

    @pytest.mark.parametrize("sources", [["I", "II"], ["I", "III"], ["II", "III"]])
    def test_that_the_limb_leads_were_derived_from_any_two(self, sources: list[str]) -> None:
        names = (*sources, *LEADS[6:])
        signal = normal_signal()[:, [LEADS.index(lead) for lead in names]]
        prepared = prepare(with_signal(signal, leads=names))
        derived = [lead for lead in LEADS if lead not in names]
        assert [(n.code, n.params) for n in prepared.notices] == [
            (NoticeCode.LEADS_DERIVED, {"leads": derived, "sources": sources})
        ]
        assert np.allclose(prepared.signal, normal_signal(), atol=1e-5)

    def test_how_many_extra_leads_were_ignored(self) -> None:
        signal = np.hstack([normal_signal(), normal_signal()[:, :3]])
        prepared = prepare(with_signal(signal, leads=(*LEADS, "vx", "vy", "vz")))
        assert [(n.code, n.params["count"]) for n in prepared.notices] == [(NoticeCode.LEADS_IGNORED, 3)]

    def test_that_the_signal_was_resampled(self) -> None:
        prepared = prepare(with_signal(normal_signal()[::2], sampling_rate_hz=250))
        assert codes(prepared) == {NoticeCode.RESAMPLED}
        assert prepared.signal.shape == (5000, 12)

    def test_that_a_recording_is_short(self) -> None:
        prepared = prepare(with_signal(normal_signal()[:3000], sampling_rate_hz=500))
        assert [(n.code, n.params["duration_s"]) for n in prepared.notices] == [(NoticeCode.SHORT_RECORDING, 6.0)]
        assert prepared.signal.shape == (3000, 12)

    def test_which_ten_seconds_were_used(self) -> None:
        rng = np.random.default_rng(0)
        noisy = normal_signal(seed=1) + rng.normal(0, 0.3, (5000, 12)).astype(np.float32)
        prepared = prepare(with_signal(np.vstack([noisy, normal_signal()]), sampling_rate_hz=500))
        assert [(n.params["start_s"], n.params["end_s"]) for n in prepared.notices] == [(10.0, 20.0)]
        assert np.array_equal(prepared.signal, normal_signal())

    def test_that_limb_leads_came_normalised(self) -> None:
        signal = normal_signal(noise_uv=5)
        prepared = prepare(with_signal(signal / signal.std(axis=0)))
        assert NoticeCode.LIMB_LEADS_RESCALED in codes(prepared)
        assert not prepared.voltages_known
        ratio = prepared.signal[:, :6].std(axis=0) / signal[:, :6].std(axis=0)
        assert np.allclose(ratio / ratio[0], 1, atol=0.01)

    def test_that_limb_leads_do_not_agree(self) -> None:
        signal = normal_signal()
        signal[:, 2] = normal_signal(seed=9)[:, 7]
        assert NoticeCode.LIMB_LEADS_INCONSISTENT in codes(prepare(with_signal(signal)))

    def test_that_arm_electrodes_are_interchanged(self) -> None:
        signal = normal_signal()
        swapped = signal.copy()
        swapped[:, 0] = -signal[:, 0]
        swapped[:, [1, 2]] = signal[:, [2, 1]]
        swapped[:, [3, 4]] = signal[:, [4, 3]]
        assert codes(prepare(with_signal(swapped))) == {NoticeCode.LIMB_LEADS_REVERSED}

    def test_that_the_outer_chest_electrodes_are_interchanged(self) -> None:
        signal = normal_signal()
        signal[:, [6, 11]] = signal[:, [11, 6]]
        assert codes(prepare(with_signal(signal))) == {NoticeCode.CHEST_LEADS_REVERSED}

    @pytest.mark.parametrize("seed", range(5))
    def test_that_all_chest_electrodes_are_in_reverse(self, seed: int) -> None:
        signal = normal_signal(seed=seed)
        signal[:, 6:] = signal[:, :5:-1]
        assert codes(prepare(with_signal(signal))) == {NoticeCode.CHEST_LEADS_REVERSED}

    def test_that_electrodes_are_doubtful_where_the_chest_does_not_tell_which(self) -> None:
        signal = normal_signal()
        signal[:, :6] *= -1
        signal[:, 6:8] = signal[:, [11]] + np.random.default_rng(0).normal(0, 0.02, (5000, 2))
        assert codes(prepare(with_signal(signal))) == {NoticeCode.ELECTRODES_DOUBTFUL}

    def test_which_lead_is_flat(self) -> None:
        signal = normal_signal()
        signal[:, 8] = 0.3
        prepared = prepare(with_signal(signal))
        assert [(n.code, n.params["leads"]) for n in prepared.notices] == [(NoticeCode.LEAD_FLAT, ["V3"])]
        assert prepared.quality.leads["V3"] == LeadQuality.BAD
        assert prepared.quality.overall == Verdict.ACCEPT_WITH_WARNINGS

    def test_that_a_lead_fell_off_for_a_second(self) -> None:
        signal = normal_signal()
        signal[2113:2613, 8] = signal[2113, 8]
        prepared = prepare(with_signal(signal))
        assert [(n.code, n.params) for n in prepared.notices] == [
            (NoticeCode.LEAD_DROPOUT, {"leads": ["V3"], "minimum_s": 1.0})
        ]
        assert prepared.quality.leads["V3"] == LeadQuality.BAD

    def test_that_half_a_recording_is_missing_without_calling_the_leads_flat(self) -> None:
        signal = normal_signal()
        signal[2500:] = 0
        said = codes(prepare(with_signal(signal)))
        assert NoticeCode.LEAD_DROPOUT in said
        assert NoticeCode.LEAD_FLAT not in said

    def test_that_a_faint_ecg_is_faint_and_not_flat(self) -> None:
        prepared = prepare(with_signal(np.float32(0.05) * normal_signal()))
        assert [(n.code, n.params["minimum_uv"]) for n in prepared.notices] == [(NoticeCode.LOW_AMPLITUDE, 10.0)]
        assert prepared.quality.overall == Verdict.ABSTAIN

    def test_nothing_about_short_repeats_of_a_coarse_device(self) -> None:
        coarse = np.round(normal_signal(noise_uv=2) / 0.02) * 0.02
        assert codes(prepare(with_signal(coarse))).isdisjoint({NoticeCode.LEAD_FLAT, NoticeCode.LEAD_DROPOUT})

    def test_that_four_dead_leads_are_too_many(self) -> None:
        signal = normal_signal()
        signal[:, 6:10] = 0
        assert prepare(with_signal(signal)).quality.overall == Verdict.ABSTAIN

    def test_which_lead_is_saturated(self) -> None:
        signal = 3 * normal_signal()
        signal[1000:1100, 7] = signal[:, 7].max()
        prepared = prepare(with_signal(signal))
        assert [n.params["leads"] for n in prepared.notices if n.code == NoticeCode.LEAD_SATURATED] == [["V2"]]

    @pytest.mark.parametrize(
        ("frequency_hz", "amplitude_mv", "code"),
        [(0.25, 0.8, NoticeCode.BASELINE_WANDER), (60, 0.1, NoticeCode.HIGH_FREQUENCY_NOISE)],
    )
    def test_which_lead_is_disturbed(self, frequency_hz: float, amplitude_mv: float, code: NoticeCode) -> None:
        signal = normal_signal()
        signal[:, 11] += amplitude_mv * np.sin(2 * np.pi * frequency_hz * np.arange(5000) / 500).astype(np.float32)
        assert [(n.code, n.params["leads"]) for n in prepare(with_signal(signal)).notices] == [(code, ["V6"])]

    def test_that_the_patient_is_a_child(self) -> None:
        prepared = prepare(with_signal(normal_signal(), patient=Patient(age_years=9)))
        assert codes(prepared) == {NoticeCode.PAEDIATRIC}

    def test_that_the_recording_was_filtered_before(self) -> None:
        filtered = prepare(synthesize(noise_uv=20)).filtered
        assert codes(prepare(with_signal(filtered))) == {NoticeCode.ALREADY_FILTERED}


def test_the_caller_s_array_is_not_touched() -> None:
    signal = normal_signal()
    before = signal.copy()
    prepare(with_signal(signal / 1, leads=LEADS))
    prepare(with_signal(signal))
    assert np.array_equal(signal, before)
