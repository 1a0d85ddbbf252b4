"""Each lead's P wave, and how far a P wave can be believed in."""

from math import nan
from typing import Final

import numpy as np

from app.ecg.features.view import View
from app.ecg.record import LEADS, N_LEADS, FloatArray

_KINDS: Final = ("p_max_rel", "p_min_rel", "p_initial_rel", "p_terminal_rel", "p_rms_rel")
_II, _V1 = LEADS.index("II"), LEADS.index("V1")

NAMES: Final = (
    "p_contrast",
    "p_coherence",
    "p_v1_terminal_to_initial",
    "p_notch",
    *(f"{lead}_{kind}" for kind in _KINDS for lead in LEADS),
)


def compute(view: View) -> FloatArray:
    """Return the values of `NAMES`; NaN for the waves where no P wave was found."""
    fiducials = view.analysis.fiducials
    evidence = [fiducials.p_contrast, fiducials.p_coherence]
    if view.p_bounds is None:
        return np.array([*evidence, *[nan] * (2 + len(_KINDS) * N_LEADS)], np.float32)
    first, last = view.p_bounds
    n_samples = last - first + 1
    chord = (np.arange(n_samples) / (n_samples - 1)).astype(np.float32)
    start, end = view.beat[:, first, None], view.beat[:, last, None]
    p = view.beat[:, first : last + 1] - (start * (1 - chord) + end * chord)
    half = n_samples // 2
    initial, terminal = p[:, :half].sum(axis=1) / half, p[:, half:].sum(axis=1) / (n_samples - half)
    highest, lowest = p.max(axis=1), p.min(axis=1)
    size = abs(initial[_V1]) + abs(terminal[_V1])
    slope = p[_II, 1:] - p[_II, :-1]
    shape = [
        (terminal[_V1] - initial[_V1]) / size if size > 0 else nan,
        np.abs(slope).sum() / (highest[_II] - lowest[_II]) if highest[_II] > lowest[_II] else nan,
    ]
    return np.concatenate(
        [evidence, shape, highest, lowest, initial, terminal, np.sqrt(np.square(p).sum(axis=1) / n_samples)],
        dtype=np.float32,
    )
