"""Columns by name: order them, and derive the limb leads that follow from two of I, II and III."""

from typing import Final

import numpy as np
import numpy.typing as npt

from app.ecg.errors import ErrorCode, InvalidECG
from app.ecg.notices import Notice, NoticeCode, notice
from app.ecg.record import LEADS, LIMB_LEADS, FloatArray

_CANONICAL: Final = {lead.casefold(): lead for lead in LEADS}

# Each limb lead as a combination of I and II (Einthoven, Goldberger).
FROM_I_AND_II: Final[npt.NDArray[np.float32]] = np.array(
    [[1, 0], [0, 1], [-1, 1], [-0.5, -0.5], [1, -0.5], [-0.5, 1]], dtype=np.float32
)
_BIPOLAR: Final = LIMB_LEADS[:3]
_N_NEEDED: Final = 2
# The absent one of I and II out of the other and III.
_FROM_III: Final = {"I": ("II", -1), "II": ("I", 1)}


def in_standard_order(leads: FloatArray, names: tuple[str, ...]) -> tuple[FloatArray, list[Notice]]:
    """Bring the twelve leads into the order of `LEADS`.

    Parameters
    ----------
    leads
        (n_leads, n_samples).
    names
        Name of each row, in any case; names that are no standard lead are left out and counted.

    Raises
    ------
    InvalidECG
        The count of names and rows differs, a lead is named twice, or a lead is missing that cannot be derived.
    """
    if len(names) != len(leads):
        raise InvalidECG(ErrorCode.WRONG_LEAD_COUNT, expected=len(names), received=len(leads))
    if names == LEADS:
        return leads, []
    rows: dict[str, int] = {}
    for row, name in enumerate(names):
        lead = _CANONICAL.get(name.strip().casefold())
        if lead is None:
            continue
        if lead in rows:
            raise InvalidECG(ErrorCode.DUPLICATE_LEAD, lead=lead)
        rows[lead] = row
    return _assemble(leads, rows, n_ignored=len(names) - len(rows))


def _assemble(leads: FloatArray, rows: dict[str, int], n_ignored: int) -> tuple[FloatArray, list[Notice]]:
    missing = [lead for lead in LEADS if lead not in rows]
    sources = [lead for lead in _BIPOLAR if lead in rows][:_N_NEEDED]
    derivable = set(LIMB_LEADS) if len(sources) == _N_NEEDED else set()
    if not derivable.issuperset(missing):
        raise InvalidECG(ErrorCode.MISSING_LEADS, leads=[lead for lead in missing if lead not in derivable])
    notices = []
    if n_ignored:
        notices.append(notice(NoticeCode.LEADS_IGNORED, count=n_ignored))
    present = [lead for lead in LEADS if lead in rows]
    if sorted(rows.values()) != [rows[lead] for lead in present]:
        notices.append(notice(NoticeCode.LEADS_REORDERED))
    ordered = np.empty((len(LEADS), leads.shape[1]), np.float32)
    ordered[[LEADS.index(lead) for lead in present]] = leads[[rows[lead] for lead in present]]
    if missing:
        _derive(ordered, missing)
        notices.append(notice(NoticeCode.LEADS_DERIVED, leads=missing, sources=sources))
    return ordered, notices


def _derive(ordered: FloatArray, missing: list[str]) -> None:
    """Fill the rows of the missing limb leads: first I or II out of III, then the others out of both."""
    for lead, (other, sign) in _FROM_III.items():
        if lead in missing:
            ordered[LEADS.index(lead)] = ordered[LEADS.index(other)] + sign * ordered[LEADS.index("III")]
    derived = [LEADS.index(lead) for lead in missing if lead not in _FROM_III]
    ordered[derived] = FROM_I_AND_II[derived] @ ordered[: len(FROM_I_AND_II[0])]
