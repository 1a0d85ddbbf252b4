"""Who the ECG belongs to."""

from math import cos, isnan, nan, radians, sin
from typing import Final

import numpy as np

from app.ecg.features.view import View
from app.ecg.record import FloatArray

OLDEST_YEARS: Final = 90.0  # the training data do not tell ages above 89 apart
AXIS_DEG: Final = {"ARAD": 150.0, "RAD": 100.0, "AXR": 120.0, "MID": 45.0, "LAD": -10.0, "AXL": -30.0, "ALAD": -50.0}

NAMES: Final = (
    "age_years",
    "sex_male",
    "height_cm",
    "weight_kg",
    "bmi_kg_m2",
    "stated_axis_cos",
    "stated_axis_sin",
    "stated_axis_missing",
)


def compute(view: View) -> FloatArray:
    """Return the values of `NAMES`."""
    patient = view.prepared.patient
    age = nan if patient.age_years is None else min(float(patient.age_years), OLDEST_YEARS)
    sex = nan if patient.sex is None else float(patient.sex)
    height_cm = nan if not patient.height_cm else float(patient.height_cm)
    weight_kg = nan if not patient.weight_kg else float(patient.weight_kg)
    axis = radians(AXIS_DEG.get(patient.heart_axis, nan))
    return np.array(
        [
            age,
            sex,
            height_cm,
            weight_kg,
            weight_kg / (height_cm / 100) ** 2,
            cos(axis),
            sin(axis),
            float(isnan(axis)),
        ],
        np.float32,
    )
