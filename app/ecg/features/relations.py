"""What leads say together: progression, resemblance, complexity, spread between beats."""

from typing import Final

import numpy as np

from app.ecg.features.view import View
from app.ecg.record import LEADS, FloatArray

_PAIRS: Final = (
    ("I", "V6"), ("I", "V1"), ("II", "V6"), ("aVF", "V6"), ("aVL", "V1"), ("V1", "V2"), ("V2", "V3"),
    ("V3", "V4"), ("V4", "V5"), ("V5", "V6"), ("V1", "V6"), ("I", "aVF"),
)  # fmt: skip
_FIRST: Final = [LEADS.index(first) for first, _ in _PAIRS]
_SECOND: Final = [LEADS.index(second) for _, second in _PAIRS]
_BASIS: Final = [LEADS.index(lead) for lead in ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")]
_V1, _V6, _AVL, _V3, _V5 = (LEADS.index(lead) for lead in ("V1", "V6", "aVL", "V3", "V5"))

NAMES: Final = (
    *(f"{first}_{second}_qrs_correlation" for first, second in _PAIRS),
    *(f"{first}_{second}_t_correlation" for first, second in _PAIRS),
    *(f"qrs_component_{i}_share" for i in (1, 2, 3, 4)),
    *(f"t_component_{i}_share" for i in (1, 2, 3)),
    "qrs_t_loop_cos",
    "r_transition",
    "sokolow_rel",
    "cornell_rel",
    "beat_spread_qrs_rel",
    "beat_spread_st_t_rel",
    "beat_spread_p_rel",
    *(f"{lead}_beat_spread_p_rel" for lead in LEADS),
)


def compute(view: View) -> FloatArray:
    """Return the values of `NAMES`."""
    qrs, t = np.nan_to_num(view.qrs), np.nan_to_num(view.t)
    r, s = qrs.max(axis=1), qrs.min(axis=1)
    return np.concatenate(
        [
            _correlations(qrs),
            _correlations(t),
            _shares(qrs, 4),
            _shares(t, 3),
            [
                _loop_cosine(qrs, t),
                _transition(r[6:] + s[6:]),
                r[[_V5, _V6]].max() - s[_V1],
                r[_AVL] - s[_V3],
            ],
            _spread(view),
        ]
    ).astype(np.float32)


def _correlations(part: FloatArray) -> FloatArray:
    centred = part - part.mean(axis=1, keepdims=True)
    norm = np.sqrt(np.square(centred).sum(axis=1))
    unit = centred / np.where(norm > 0, norm, np.inf)[:, None]
    result: FloatArray = (unit[_FIRST] * unit[_SECOND]).sum(axis=1)
    return result


def _shares(part: FloatArray, count: int) -> FloatArray:
    """Share of the energy along each of the first principal directions."""
    gram = part[_BASIS] @ part[_BASIS].T
    energy = np.linalg.eigvalsh(gram)[::-1]
    total = energy.sum()
    result: FloatArray = energy[:count] / (total if total > 0 else np.inf)
    return result


def _loop_cosine(qrs: FloatArray, t: FloatArray) -> float:
    """Cosine between the mean QRS and mean T directions over the independent leads."""
    a, b = qrs[_BASIS].mean(axis=1), t[_BASIS].mean(axis=1)
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size > 0 else np.nan


def _transition(net: FloatArray) -> float:
    """Where from V1 (0) to V6 (5) the net QRS turns positive, interpolated."""
    positive = net > 0
    if positive[0]:
        return 0.0
    if not positive.any():
        return 6.0
    at = int(np.argmax(positive))
    return at - 1 + float(net[at - 1] / (net[at - 1] - net[at]))


def _spread(view: View) -> FloatArray:
    """Deviation of single beats from the average: per part of the beat over all leads, and per lead before the QRS."""
    analysis = view.analysis
    scale = np.where(np.isnan(analysis.scale), np.inf, analysis.scale)
    first = max(0, view.onset - 50)
    read = slice(first, view.t_end)
    deviation = analysis.beats.windows[:, :, read] - analysis.beats.average[:, read]
    power = np.einsum("blt,blt->lt", deviation, deviation) / (len(deviation) * np.square(scale)[:, None])
    onset, offset = view.onset - first, view.offset - first
    before = slice(0, onset)
    parts = (slice(onset, offset + 1), slice(offset, view.t_end - first), before)
    together = [power[:, part].mean() for part in parts]
    spread: FloatArray = np.sqrt(np.concatenate([together, power[:, before].mean(axis=1)]))
    return spread
