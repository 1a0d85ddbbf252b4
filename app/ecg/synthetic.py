"""A seeded generator of 12-lead ECGs: no recording of a person, honest about being none.

The heart is a dipole that moves in space. Each wave is a sum of Gaussian pulses, each with a direction; the leads are
projections of the dipole, so that Einthoven's law holds exactly. Patterns imitate what textbooks draw for
the five diagnostic superclasses; nobody should learn medicine from them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from app.ecg.leads import FROM_I_AND_II
from app.ecg.record import N_SAMPLES, SAMPLING_RATE_HZ, ECGRecord, Patient

PATTERNS: Final = frozenset("NSMCH")

# Lead vectors after Dower (1980): x to the left, y to the feet, z to the back. Rows I, II, V1-V6.
_DOWER: Final = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)
LEAD_VECTORS: Final[npt.NDArray[np.float64]] = np.vstack([FROM_I_AND_II @ _DOWER[:2], _DOWER[2:]])

FloatMatrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pulse:
    """One Gaussian pulse of the dipole: when after the R peak, how wide, how strong and whither."""

    at_ms: float
    width_ms: float
    vector_mv: tuple[float, float, float]

    def scaled(self, gain: float) -> "Pulse":
        """Return the same pulse, `gain` times as strong."""
        x, y, z = self.vector_mv
        return replace(self, vector_mv=(gain * x, gain * y, gain * z))


@dataclass(frozen=True, slots=True)
class Heart:
    """The pulses of one beat. `t_wave` moves with the square root of the RR interval, as repolarisation does."""

    p_wave: tuple[Pulse, ...] = (Pulse(-160, 18, (0.06, 0.11, -0.03)), Pulse(-138, 18, (0.05, 0.06, 0.03)))
    septal: tuple[Pulse, ...] = (Pulse(-22, 8, (-0.22, -0.06, -0.28)),)
    main: tuple[Pulse, ...] = (Pulse(0, 11, (1.05, 0.95, 0.35)),)
    basal: tuple[Pulse, ...] = (Pulse(22, 9, (-0.15, -0.30, 0.55)),)
    st_segment: tuple[Pulse, ...] = ()
    t_wave: tuple[Pulse, ...] = (Pulse(235, 48, (0.22, 0.20, -0.14)), Pulse(285, 32, (0.16, 0.14, -0.10)))

    @property
    def fixed(self) -> tuple[Pulse, ...]:
        """Pulses whose distance to the R peak does not depend on the rate."""
        return self.p_wave + self.septal + self.main + self.basal + self.st_segment


def _with_repolarisation_change(heart: Heart) -> Heart:
    """ST depression with flat, inverted T waves."""
    return replace(
        heart,
        st_segment=(*heart.st_segment, Pulse(100, 45, (-0.14, -0.10, 0.06))),
        t_wave=tuple(pulse.scaled(-0.6) for pulse in heart.t_wave),
    )


def _with_infarction(heart: Heart) -> Heart:
    """Anterior necrosis: early forces point backwards, the ST segment is lifted in front, T inverts there."""
    return replace(
        heart,
        septal=(Pulse(-20, 14, (-0.25, 0.10, 0.75)),),
        main=tuple(replace(pulse, vector_mv=(0.55, 0.75, 0.60)) for pulse in heart.main),
        st_segment=(*heart.st_segment, Pulse(95, 50, (0.05, -0.02, -0.16))),
        t_wave=tuple(replace(pulse, vector_mv=(-0.10, 0.12, 0.14)) for pulse in heart.t_wave),
    )


def _with_left_bundle_block(heart: Heart) -> Heart:
    """Wide, slurred, leftward and backward QRS; T against it."""
    return replace(
        heart,
        septal=(Pulse(-30, 14, (0.40, 0.10, 0.25)),),
        main=(Pulse(0, 19, (0.95, 0.30, 0.75)), Pulse(42, 19, (0.95, 0.05, 0.80))),
        basal=(Pulse(75, 14, (0.30, -0.15, 0.45)),),
        t_wave=tuple(replace(pulse, vector_mv=(-0.26, 0.02, -0.24)) for pulse in heart.t_wave),
    )


def _with_hypertrophy(heart: Heart) -> Heart:
    """Tall left and backward QRS forces."""
    return replace(
        heart,
        main=tuple(replace(pulse.scaled(1.9), width_ms=13) for pulse in heart.main),
        basal=tuple(pulse.scaled(1.9) for pulse in heart.basal),
        t_wave=tuple(pulse.scaled(0.8) for pulse in heart.t_wave),
    )


_CHANGES: Final = (
    ("C", _with_left_bundle_block),
    ("M", _with_infarction),
    ("S", _with_repolarisation_change),
    ("H", _with_hypertrophy),
)


def synthesize(
    seed: int = 0,
    *,
    heart_rate_bpm: float = 70.0,
    noise_uv: float = 10.0,
    pattern: Iterable[str] = "N",
    variety: float = 0.15,
    patient: Patient | None = None,
) -> ECGRecord:
    """Make a ten-second ECG; the same arguments give the same samples.

    Parameters
    ----------
    seed
        Of everything random: the person's own variation, rhythm, noise.
    heart_rate_bpm
        Mean rate, 25-220.
    noise_uv
        Standard deviation of white noise per electrode. Baseline wander of four times that is added.
    pattern
        Letters of `PATTERNS`: N normal, S ST/T change, M infarction, C conduction block, H hypertrophy. They combine.
    variety
        Standard deviation of the person's own deviations: pulse strength (relative) and timing (a tenth of it).
    patient
        Copied into the record.

    Raises
    ------
    ValueError
        A letter is no pattern, or the rate lies outside 25-220.
    """
    letters = frozenset(pattern)
    if not letters <= PATTERNS:
        raise ValueError(f"patterns are letters of {''.join(sorted(PATTERNS))}")
    if not 25 <= heart_rate_bpm <= 220:
        raise ValueError("heart_rate_bpm lies within 25-220")
    rng = np.random.default_rng(seed)
    heart = Heart()
    for letter, change in _CHANGES:
        if letter in letters:
            heart = change(heart)
    r_peaks_s = _rhythm(rng, 60 / heart_rate_bpm)
    dipole = _dipole(rng, heart, r_peaks_s, variety)
    leads = LEAD_VECTORS @ dipole + _disturbance(rng, noise_uv / 1000)
    return ECGRecord(signal=np.ascontiguousarray(leads.T, np.float32), patient=patient or Patient())


def _rhythm(rng: np.random.Generator, rr_s: float) -> FloatMatrix:
    """Return beat times in seconds, from before the first sample to after the last."""
    n_beats = int(12 / rr_s) + 4
    intervals = rr_s * (1 + 0.02 * rng.standard_normal(n_beats) + 0.02 * np.sin(np.arange(n_beats) * rr_s * 1.6))
    return np.cumsum(intervals) - 1.0 - rng.uniform(0, rr_s)


def _dipole(rng: np.random.Generator, heart: Heart, r_peaks_s: FloatMatrix, variety: float) -> FloatMatrix:
    """Return the heart vector in mV: (3, 5000)."""
    time_ms = np.arange(N_SAMPLES) * (1000 / SAMPLING_RATE_HZ)
    dipole = np.zeros((3, N_SAMPLES))
    previous_rr_s = np.diff(r_peaks_s, prepend=2 * r_peaks_s[0] - r_peaks_s[1])
    stretch = np.sqrt(np.clip(previous_rr_s, 0.25, 2.0))
    for pulse, moves in [(pulse, False) for pulse in heart.fixed] + [(pulse, True) for pulse in heart.t_wave]:
        strength = np.array(pulse.vector_mv) * (1 + variety * rng.standard_normal(3))
        delay = (1 + 0.1 * variety * rng.standard_normal()) * (stretch if moves else np.ones_like(stretch))
        width = pulse.width_ms * (stretch if moves else np.ones_like(stretch))
        breathing = 1 + 0.03 * np.sin(2 * np.pi * 0.25 * r_peaks_s)
        centre = 1000 * r_peaks_s + pulse.at_ms * delay
        shape = np.exp(-0.5 * ((time_ms[None] - centre[:, None]) / width[:, None]) ** 2)
        dipole += np.outer(strength, breathing @ shape)
    return dipole


def _disturbance(rng: np.random.Generator, noise_mv: float) -> FloatMatrix:
    """Noise of nine electrodes, seen by the leads as differences: (12, 5000)."""
    time_s = np.arange(N_SAMPLES) / SAMPLING_RATE_HZ
    wander = np.sin(2 * np.pi * np.outer(rng.uniform(0.15, 0.35, 8), time_s) + rng.uniform(0, 2 * np.pi, (8, 1)))
    channels: FloatMatrix = noise_mv * (rng.standard_normal((8, N_SAMPLES)) + 4 * wander)
    return np.vstack([FROM_I_AND_II @ channels[:2], channels[2:]])
