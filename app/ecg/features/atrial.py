"""Each lead's P wave, and how far a P wave can be believed in."""

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
        return np.array([*evidence, *[np.nan] * (2 + len(_KINDS) * N_LEADS)], np.float32)
    first, last = view.p_bounds
    chord = np.linspace(0, 1, last - first + 1, dtype=np.float32)
    start, end = view.beat[:, first, None], view.beat[:, last, None]
    p = view.beat[:, first : last + 1] - (start * (1 - chord) + end * chord)
    half = p.shape[1] // 2
    initial, terminal = p[:, :half].mean(axis=1), p[:, half:].mean(axis=1)
    highest, lowest = p.max(axis=1), p.min(axis=1)
    size = np.abs(initial[_V1]) + np.abs(terminal[_V1])
    slope = p[_II, 1:] - p[_II, :-1]
    return np.concatenate(
        [
            evidence,
            [
                (terminal[_V1] - initial[_V1]) / size if size > 0 else np.nan,
                np.abs(slope).sum() / (highest[_II] - lowest[_II]) if highest[_II] > lowest[_II] else np.nan,
            ],
            highest,
            lowest,
            initial,
            terminal,
            np.sqrt(np.square(p).mean(axis=1)),
        ]
    ).astype(np.float32)
