"""The physics of the filter."""

import numpy as np
import pytest
import scipy.fft
import scipy.signal

from app.ecg.filters import MIN_BRIDGE_SAMPLES, _close_circle, band_pass
from app.ecg.record import N_SAMPLES, SAMPLING_RATE_HZ, FloatArray
from tests.unit.ecg.helpers import normal_signal

TIME_S = np.arange(N_SAMPLES) / SAMPLING_RATE_HZ
MIDDLE = slice(1000, 4000)


def tone(frequency_hz: float, amplitude_mv: float = 1.0) -> FloatArray:
    return np.tile(amplitude_mv * np.sin(2 * np.pi * frequency_hz * TIME_S), (12, 1)).astype(np.float32)


@pytest.mark.parametrize("frequency_hz", [2, 5, 10, 17, 25])
def test_a_millivolt_within_the_pass_band_stays_a_millivolt(frequency_hz: float) -> None:
    assert np.abs(band_pass(tone(frequency_hz)).signal[:, MIDDLE]).max() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("frequency_hz", [0.1, 0.2, 60, 100, 200])
def test_what_lies_outside_the_pass_band_is_removed(frequency_hz: float) -> None:
    assert np.abs(band_pass(tone(frequency_hz)).signal[:, MIDDLE]).max() < 0.06


def test_an_offset_is_removed() -> None:
    leads = normal_signal().T
    assert np.allclose(band_pass(leads + 3).signal, band_pass(leads).signal, atol=1e-5)


def test_nothing_is_delayed() -> None:
    pulse = np.zeros((12, N_SAMPLES), np.float32)
    pulse[:, 2500] = 1
    filtered = band_pass(pulse).signal[0]
    assert filtered.argmax() == 2500
    assert np.allclose(filtered[2500:2600], filtered[2500:2400:-1], atol=1e-6)


def test_agrees_with_scipy_forwards_and_backwards() -> None:
    leads = normal_signal().T.astype(np.float64)
    sections = scipy.signal.butter(4, (0.5, 40), btype="bandpass", fs=SAMPLING_RATE_HZ, output="sos")
    expected = scipy.signal.sosfiltfilt(sections, leads, axis=1, padlen=1500)
    assert np.abs(band_pass(leads.astype(np.float32)).signal - expected)[:, 500:-500].max() < 0.01


def test_a_step_of_five_millivolts_between_the_ends_does_not_ring() -> None:
    ramp = np.tile(np.linspace(0, 5, N_SAMPLES, dtype=np.float32), (12, 1))
    assert np.abs(band_pass(ramp).signal).max() < 0.15


def test_the_baseline_range_is_what_moves_slowly() -> None:
    filtered = band_pass(tone(0.2, amplitude_mv=0.75) + tone(10))
    assert np.allclose(filtered.baseline_range, 1.5, rtol=0.1)


def test_the_noise_is_what_moves_fast() -> None:
    filtered = band_pass(tone(75, amplitude_mv=0.1) + tone(10))
    assert np.allclose(filtered.noise_rms, 0.1 / np.sqrt(2), rtol=0.1)


@pytest.mark.parametrize("n_samples", [2500, 4321, N_SAMPLES])
def test_what_was_removed_is_what_a_transform_in_double_precision_finds(n_samples: int) -> None:
    signal = normal_signal(noise_uv=20).T[:, :n_samples] + tone(0.2)[:, :n_samples]
    filtered = band_pass(signal)
    n_transform = scipy.fft.next_fast_len(n_samples + MIN_BRIDGE_SAMPLES, real=True)
    spectrum = scipy.fft.rfft(_close_circle(signal, n_transform).astype(np.float64), axis=1)
    frequency_hz = scipy.fft.rfftfreq(n_transform, 1 / SAMPLING_RATE_HZ)
    above = scipy.fft.irfft(np.where(frequency_hz < 40, 0, spectrum), n_transform, axis=1)
    below = spectrum[:, frequency_hz <= 0.5]
    n_slow = 8 * below.shape[1]
    slow = scipy.fft.irfft(below, n_slow, axis=1)[:, : n_slow * n_samples // n_transform] * n_slow / n_transform
    np.testing.assert_allclose(filtered.noise_rms, np.sqrt((above**2).mean(axis=1)), rtol=1e-3)
    np.testing.assert_allclose(filtered.baseline_range, np.ptp(slow, axis=1), rtol=1e-4)


def test_the_bridge_fades_one_reflection_into_the_other() -> None:
    leads = normal_signal(noise_uv=20).T.astype(np.float32)
    n_bridge = 1000
    fade = 0.5 + 0.5 * np.cos(np.pi * (np.arange(n_bridge) + 0.5) / n_bridge)
    after = 2 * leads[:, -1:] - leads[:, -2 : -2 - n_bridge : -1]
    before = 2 * leads[:, :1] - leads[:, n_bridge:0:-1]
    circle = _close_circle(leads, N_SAMPLES + n_bridge)
    np.testing.assert_array_equal(circle[:, :N_SAMPLES], leads)
    np.testing.assert_allclose(circle[:, N_SAMPLES:], after * fade + before * (1 - fade), atol=1e-5)


def test_a_filtered_signal_is_not_narrowed_again() -> None:
    once = band_pass(normal_signal(noise_uv=20).T)
    twice = band_pass(once.signal)
    assert not once.was_low_passed
    assert twice.was_low_passed
    assert np.abs(twice.signal - once.signal)[:, 250:-250].max() < 0.02


def test_an_empty_upper_band_proves_nothing_at_a_low_rate() -> None:
    once = band_pass(normal_signal(noise_uv=20).T)
    assert not band_pass(once.signal, wide_band=False).was_low_passed
