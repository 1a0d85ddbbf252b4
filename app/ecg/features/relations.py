"""What leads say together: progression, resemblance, complexity, spread between beats."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from app.ecg.features.view import View
from app.ecg.record import LEADS, FloatArray

_PAIRS: Final = (
    ("I", "V6"), ("I", "V1"), ("II", "V6"), ("aVF", "V6"), ("aVL", "V1"), ("V1", "V2"), ("V2", "V3"),
    ("V3", "V4"), ("V4", "V5"), ("V5", "V6"), ("V1", "V6"), ("I", "aVF"),
)  # fmt: skip
_FIRST: Final = np.array([LEADS.index(first) for first, _ in _PAIRS])
_SECOND: Final = np.array([LEADS.index(second) for _, second in _PAIRS])
_BASIS: Final = np.array([LEADS.index(lead) for lead in ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")])
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
    qrs, t, r, s = _zero_where_missing(view)
    qrs_basis, t_basis = qrs.take(_BASIS, axis=0), t.take(_BASIS, axis=0)
    qrs_shares, t_shares = _shares(qrs_basis, t_basis)
    return np.concatenate(
        [
            _correlations(qrs),
            _correlations(t),
            qrs_shares[:4],
            t_shares[:3],
            [
                _loop_cosine(qrs_basis, t_basis),
                _transition(r[6:] + s[6:]),
                max(r[_V5], r[_V6]) - s[_V1],
                r[_AVL] - s[_V3],
            ],
            _spread(view),
        ],
        dtype=np.float32,
    )


def _zero_where_missing(view: View) -> Sequence[FloatArray]:
    """QRS, T, R and S, with zeros for the leads without a signal."""
    parts = (view.qrs, view.t, view.r, view.s)
    missing = np.isnan(view.analysis.scale)
    if not missing.any():
        return parts
    return [np.where(missing if part.ndim == 1 else missing[:, None], np.float32(0), part) for part in parts]


def _correlations(part: FloatArray) -> FloatArray:
    centred = part - part.sum(axis=1, keepdims=True) / part.shape[1]
    norm = np.sqrt(np.square(centred).sum(axis=1))
    unit = centred / np.where(norm > 0, norm, np.float32(np.inf))[:, None]
    result: FloatArray = (unit.take(_FIRST, axis=0) * unit.take(_SECOND, axis=0)).sum(axis=1)
    return result


def _shares(*parts: FloatArray) -> FloatArray:
    """Share of the energy along the principal directions of each part, the largest first."""
    energy = np.linalg.eigvalsh(np.stack([part @ part.copy().T for part in parts]))[:, ::-1]
    total = energy.sum(axis=1, keepdims=True)
    shares: FloatArray = (energy / np.where(total > 0, total, np.inf)).astype(np.float32, copy=False)
    return shares


def _loop_cosine(qrs: FloatArray, t: FloatArray) -> float:
    """Cosine between the mean QRS and mean T directions over the independent leads."""
    a, b = qrs.sum(axis=1) / qrs.shape[1], t.sum(axis=1) / t.shape[1]
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size > 0 else np.nan


def _transition(net: FloatArray) -> float:
    """Where from V1 (0) to V6 (5) the net QRS turns positive, interpolated."""
    at = next((lead for lead, value in enumerate(net.tolist()) if value > 0), len(net))
    if at in {0, len(net)}:
        return float(at)
    return at - 1 + float(net[at - 1] / (net[at - 1] - net[at]))


def _spread(view: View) -> FloatArray:
    """Deviation of single beats from the average: per part of the beat over all leads, and per lead before the QRS."""
    analysis = view.analysis
    scale = np.where(np.isnan(analysis.scale), np.float32(np.inf), analysis.scale)
    first = max(0, view.onset - 50)
    read = slice(first, view.t_end)
    deviation = analysis.beats.windows[:, :, read] - analysis.beats.average[:, read]
    power = np.einsum("blt,blt->lt", deviation, deviation) / (len(deviation) * np.square(scale)[:, None])
    onset, offset = view.onset - first, view.offset - first
    qrs, st_t, before = power[:, onset : offset + 1], power[:, offset:], power[:, :onset]
    together = [part.sum() / part.size for part in (qrs, st_t, before)]
    spread: FloatArray = np.sqrt(np.concatenate([together, before.sum(axis=1) / onset]))
    return spread
