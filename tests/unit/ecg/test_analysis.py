"""Beats, waves and measurements of hearts whose truth is known."""

import numpy as np
import pytest

from app.ecg.analysis import analyse
from app.ecg.errors import ErrorCode, UnusableECG
from app.ecg.measurements import Measurements
from app.ecg.notices import NoticeCode
from app.ecg.pipeline import prepare
from app.ecg.record import ECGRecord, FloatArray
from app.ecg.synthetic import synthesize
from tests.unit.ecg.helpers import normal_signal, with_signal


def measured(record: ECGRecord) -> Measurements:
    return analyse(prepare(record)).measurements


@pytest.mark.parametrize("heart_rate_bpm", [30, 45, 60, 75, 100, 130, 160, 200])
def test_the_rate_is_that_of_the_heart(heart_rate_bpm: float) -> None:
    rates = [measured(synthesize(seed, heart_rate_bpm=heart_rate_bpm)).heart_rate_bpm for seed in range(3)]
    assert np.allclose(rates, heart_rate_bpm, rtol=0.03)


def test_every_beat_is_found_under_noise() -> None:
    clean = analyse(prepare(synthesize(4, noise_uv=0)))
    noisy = analyse(prepare(synthesize(4, noise_uv=80)))
    assert len(noisy.beats.r_peaks) == len(clean.beats.r_peaks)
    assert np.abs(noisy.beats.r_peaks - clean.beats.r_peaks).max() <= 5


def test_intervals_of_a_normal_heart_are_normal() -> None:
    m = measured(synthesize(0, heart_rate_bpm=65))
    assert m.pr_ms is not None
    assert m.qt_ms is not None
    assert 140 < m.pr_ms < 175
    assert 80 < m.qrs_duration_ms < 105
    assert 380 < m.qt_ms < 430
    assert m.qrs_axis_deg == pytest.approx(63, abs=8)


def test_a_bundle_branch_block_widens_the_qrs() -> None:
    assert measured(synthesize(0, pattern="C")).qrs_duration_ms > 140


def test_intervals_do_not_change_with_gain() -> None:
    single, double = measured(synthesize(2)), measured(with_signal(2 * normal_signal(seed=2)))
    assert double.qt_ms == pytest.approx(single.qt_ms)
    assert double.qrs_axis_deg == pytest.approx(single.qrs_axis_deg)


def test_the_four_corrections_follow_their_formulas() -> None:
    m = measured(synthesize(0, heart_rate_bpm=75))
    assert m.qt_ms is not None
    rr_s = m.rr_ms / 1000
    assert m.qtc_bazett_ms == pytest.approx(m.qt_ms / np.sqrt(rr_s))
    assert m.qtc_fridericia_ms == pytest.approx(m.qt_ms / np.cbrt(rr_s))
    assert m.qtc_framingham_ms == pytest.approx(m.qt_ms + 154 * (1 - rr_s))
    assert m.qtc_hodges_ms == pytest.approx(m.qt_ms + 1.75 * (m.heart_rate_bpm - 60))


def test_all_corrections_agree_at_sixty_beats_a_minute() -> None:
    m = measured(synthesize(0, heart_rate_bpm=60))
    for corrected_ms in (m.qtc_bazett_ms, m.qtc_fridericia_ms, m.qtc_framingham_ms, m.qtc_hodges_ms):
        assert corrected_ms == pytest.approx(m.qt_ms, abs=4)


def fibrillating() -> FloatArray:
    """Beats at random moments without P waves, over an undulating baseline."""
    rng = np.random.default_rng(3)
    heart = normal_signal(noise_uv=0, heart_rate_bpm=60, variety=0)
    peaks = analyse(prepare(with_signal(heart))).beats.r_peaks
    beat = heart[peaks[3] - 35 : peaks[3] + 200]
    signal = np.zeros((5000, 12), np.float32)
    at = 100
    while at + len(beat) < 5000:
        signal[at : at + len(beat)] = beat
        at += int(rng.integers(240, 480))
    time_s = np.arange(5000) / 500
    waves = sum(0.04 * np.sin(2 * np.pi * rng.uniform(5, 8) * time_s + rng.uniform(0, 6)) for _ in range(4))
    return signal + np.outer(waves, heart.std(axis=0) / heart.std()).astype(np.float32)


def test_there_is_no_pr_interval_in_fibrillation() -> None:
    m = measured(with_signal(fibrillating()))
    assert m.pr_ms is None
    assert m.p_duration_ms is None
    assert m.p_axis_deg is None


def test_an_ectopic_beat_does_not_shape_the_usual_one() -> None:
    signal = normal_signal(seed=5, noise_uv=5)
    plain = analyse(prepare(with_signal(signal)))
    at = int(plain.beats.r_peaks[5])
    signal[at - 60 : at + 60] = -2 * signal[at - 60 : at + 60]
    disturbed = analyse(prepare(with_signal(signal)))
    assert not disturbed.beats.usual[5]
    assert disturbed.beats.usual.sum() == len(disturbed.beats.usual) - 1
    assert np.abs(disturbed.relative_beat - plain.relative_beat).max() < 0.2


@pytest.mark.parametrize("kind", ["hum", "noise", "walk"])
def test_a_signal_without_a_heart_is_unusable(kind: str) -> None:
    rng = np.random.default_rng(0)
    signal = {
        "hum": np.tile(np.sin(2 * np.pi * 5 * np.arange(5000) / 500), (12, 1)).T,
        "noise": rng.normal(size=(5000, 12)),
        "walk": np.cumsum(rng.normal(size=(5000, 12)), axis=0) / 20,
    }[kind]
    with pytest.raises(UnusableECG) as caught:
        analyse(prepare(with_signal(signal)))
    assert caught.value.code == ErrorCode.NO_BEATS


def test_a_lead_that_is_off_leaves_the_others_measurable() -> None:
    signal = normal_signal()
    signal[:, 8] = 0
    whole, partial = measured(synthesize()), measured(with_signal(signal))
    assert partial.qrs_duration_ms == pytest.approx(whole.qrs_duration_ms, abs=4)


def test_a_rate_no_heart_has_is_doubted() -> None:
    slowed = np.repeat(normal_signal(heart_rate_bpm=36, noise_uv=0), 2, axis=0)[:5000]
    analysis = analyse(prepare(with_signal(slowed)))
    assert [notice.code for notice in analysis.notices] == [NoticeCode.SAMPLING_RATE_SUSPECT]
