"""The fields of a request promise what the signal code keeps."""

import pytest
from pydantic import ValidationError

from app.ecg.pipeline import MAX_RATE_HZ, MIN_RATE_HZ
from app.models.ecg import ECGFields

PATIENT = {"age": 55, "sex": 1, "height": 175, "weight": 80, "heart_axis": "MID"}


def test_the_schema_states_the_bounds_of_the_sampling_rate() -> None:
    stated, _null = ECGFields.model_json_schema()["properties"]["sampling_rate_hz"]["anyOf"]
    assert stated == {"type": "number", "minimum": 50.0, "maximum": 20_000.0}
    assert (MIN_RATE_HZ, MAX_RATE_HZ) == (50.0, 20_000.0)


@pytest.mark.parametrize("rate_hz", [0, 49.9, 20_000.1])
def test_a_rate_beyond_the_bounds_is_a_fault_of_its_field(rate_hz: float) -> None:
    with pytest.raises(ValidationError) as caught:
        ECGFields.model_validate({**PATIENT, "sampling_rate_hz": rate_hz})
    assert [error["loc"] for error in caught.value.errors()] == [("sampling_rate_hz",)]


@pytest.mark.parametrize("rate_hz", [50, 500, 20_000])
def test_a_rate_at_the_bounds_is_taken(rate_hz: float) -> None:
    assert ECGFields.model_validate({**PATIENT, "sampling_rate_hz": rate_hz}).sampling_rate_hz == rate_hz
