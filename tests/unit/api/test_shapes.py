"""The wire shapes agree with the rooms below them."""

from typing import get_args

from app.api.parsing.fields import PATIENT_FIELDS
from app.api.parsing.json_ecg import KNOWN_FIELDS
from app.ecg.record import HEART_AXES, MICROVOLTS, MILLIVOLTS
from app.models.ecg import ECGFields, ForwardRequest, HeartAxis, Units


def test_knows_the_signal_codes_heart_axes_and_units() -> None:
    assert get_args(HeartAxis) == HEART_AXES
    assert get_args(Units) == (MILLIVOLTS, MICROVOLTS)


def test_documents_exactly_the_fields_that_are_read() -> None:
    assert set(ForwardRequest.model_fields) == set(KNOWN_FIELDS)
    assert set(PATIENT_FIELDS) < set(ECGFields.model_fields)


def test_requires_what_the_document_requires() -> None:
    required = {name for name, field in ForwardRequest.model_fields.items() if field.is_required()}
    assert required == {"age", "sex", "height", "weight", "heart_axis", "ecg_signal"}
