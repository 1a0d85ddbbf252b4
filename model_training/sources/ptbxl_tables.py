"""The tables of PTB-XL, and how its columns become ours.

PTB-XL codes sex 0 = male, 1 = female, the service the other way round. It writes 300 for an age over 89, leaves most
heights and weights empty, and knows values of the heart axis that the service does not.
"""

import ast
import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from app.ecg.record import HEART_AXES, NO_HEART_AXIS, Patient
from model_training.sources.base import SUPERCLASS_LETTERS, DataError

DATABASE_FILE: Final = "ptbxl_database.csv"
STATEMENTS_FILE: Final = "scp_statements.csv"
LICENCE: Final = "CC BY 4.0"
ORIGIN: Final = "PTB-XL 1.0.3, https://physionet.org/content/ptb-xl/1.0.3/"

AGE_OVER_89: Final = 300
AGE_TAKEN_FOR_OVER_89: Final = 90.0
_PTBXL_FEMALE: Final = 1
_SEX_BY_PTBXL_CODE: Final = {0: 1, _PTBXL_FEMALE: 0}
_AGE_RANGE: Final = (0, 120)
_HEIGHT_RANGE_CM: Final = (30, 272)
_WEIGHT_RANGE_KG: Final = (1, 700)


def read_table(path: Path) -> list[dict[str, str]]:
    """Read a CSV file as a list of rows.

    Raises
    ------
    DataError
        If there is no such file.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        raise DataError(f"{path} is missing") from None


def diagnostic_statements(folder: Path) -> dict[str, str]:
    """Letter of the superclass by diagnostic statement, from `scp_statements.csv`."""
    rows = read_table(folder / STATEMENTS_FILE)
    code_column = next(iter(rows[0]))  # published with an empty heading
    return {
        row[code_column]: SUPERCLASS_LETTERS[row["diagnostic_class"]]
        for row in rows
        if row["diagnostic"] and float(row["diagnostic"]) == 1 and row["diagnostic_class"] in SUPERCLASS_LETTERS
    }


def stated_codes(row: Mapping[str, str]) -> frozenset[str]:
    """All statements of a row of `ptbxl_database.csv`; their likelihood is not looked at, as in its paper."""
    return frozenset(ast.literal_eval(row["scp_codes"]))


def patient_of(row: Mapping[str, str]) -> Patient:
    """Describe the person of a row in the service's coding; what is missing or impossible becomes unknown."""
    age_years = _number(row["age"])
    if age_years == AGE_OVER_89:
        age_years = AGE_TAKEN_FOR_OVER_89
    sex = _number(row["sex"])
    axis = row["heart_axis"].strip()
    return Patient(
        age_years=_within(age_years, _AGE_RANGE),
        sex=None if sex is None else _SEX_BY_PTBXL_CODE.get(int(sex)),
        height_cm=_within(_number(row["height"]), _HEIGHT_RANGE_CM),
        weight_kg=_within(_number(row["weight"]), _WEIGHT_RANGE_KG),
        heart_axis=axis if axis in HEART_AXES else NO_HEART_AXIS,
    )


def whole_number(text: str) -> int:
    """Read an integer that a table may write as 15709.0."""
    return int(float(text))


def _number(text: str) -> float | None:
    number = float(text) if text.strip() else math.nan
    return None if math.isnan(number) else number


def _within(number: float | None, limits: tuple[float, float]) -> float | None:
    return number if number is not None and limits[0] <= number <= limits[1] else None
