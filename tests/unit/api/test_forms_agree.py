"""One ECG is one array, in whatever form it comes."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from app.api.parsing.fields import make_record
from app.ecg.record import LEADS, ECGRecord
from app.models.ecg import ECGFields
from tests.fixtures.ecg import PATIENT, make_request
from tests.fixtures.forms import BOUNDARY, FORM, Form, encode_form, microvolt_forms, millivolt_forms, read, with_gzip

shapes = st.tuples(st.integers(1, 40), st.just(len(LEADS)))
millivolts = arrays.arrays(np.float32, shapes, elements=st.floats(width=32, allow_nan=False, allow_infinity=False))
microvolts = arrays.arrays(np.int16, shapes)
beside = st.fixed_dictionaries(
    {},
    optional={
        "sampling_rate_hz": st.floats(50, 20_000, width=32),
        "leads": st.permutations(LEADS),
        "units": st.sampled_from(["mV", "uV"]),
    },
)


def read_all(forms: list[Form]) -> list[ECGRecord]:
    samples = {form.name: read(form) for form in forms}
    assert {name: sample.faults for name, sample in samples.items() if sample.faults} == {}
    return [sample.record for sample in samples.values() if sample.record is not None]


def check_equal(records: list[ECGRecord], signal: npt.NDArray[Any], **fields: Any) -> None:
    """Compare bits, so that -0.0 is not 0.0."""
    expected = make_record(signal.astype(np.float32), ECGFields.model_validate({**PATIENT, **fields}))
    for record in records:
        assert record.signal.dtype == np.float32
        assert record.signal.flags.c_contiguous
        assert record.signal.shape == signal.shape
        assert record.signal.tobytes() == expected.signal.tobytes()
        assert (record.sampling_rate_hz, record.leads, record.units, record.patient) == (
            expected.sampling_rate_hz,
            expected.leads,
            expected.units,
            expected.patient,
        )


class TestEveryFormGivesTheSameArray:
    @given(signal=millivolts, fields=beside)
    @settings(max_examples=300)
    def test_of_floating_point_numbers(self, signal: npt.NDArray[np.float32], fields: dict[str, Any]) -> None:
        records = read_all(with_gzip(millivolt_forms(signal, **fields)))
        assert len(records) == 18
        check_equal(records, signal, **fields)

    @given(signal=microvolts, fields=beside)
    @settings(max_examples=300)
    def test_of_whole_microvolts(self, signal: npt.NDArray[np.int16], fields: dict[str, Any]) -> None:
        fields.pop("units", None)
        records = read_all(with_gzip(microvolt_forms(signal, **fields)))
        assert len(records) == 12
        check_equal(records, signal, **fields, units="uV")


@pytest.mark.parametrize(("dtype", "units"), [("<f4", "mV"), ("<i2", "uV")])
def test_the_size_of_the_plain_contract_tells_the_type(dtype: str, units: str) -> None:
    signal = np.arange(60_000).reshape(5000, 12).astype(dtype)
    form = Form("raw", signal.tobytes(), {"Content-Type": "application/octet-stream"}, PATIENT)
    record = read(form).record
    assert record is not None
    assert record.units == units
    np.testing.assert_array_equal(record.signal, signal.astype(np.float32))


FORM_BODY = encode_form(data=json.dumps(make_request([[0.5] * 12] * 3)).encode())


class TestAnyForm:
    @given(place=st.integers(0, len(FORM_BODY) - 1), byte=st.integers(0, 255))
    @settings(max_examples=500)
    def test_survives_any_changed_byte(self, place: int, byte: int) -> None:
        changed = bytearray(FORM_BODY)
        changed[place] = byte
        check_decided(bytes(changed))

    @given(cut=st.integers(0, len(FORM_BODY)), more=st.binary(max_size=40))
    def test_survives_any_other_end(self, cut: int, more: bytes) -> None:
        check_decided(FORM_BODY[:cut] + more)

    @given(st.lists(st.sampled_from([b"\r\n", b"--", BOUNDARY.encode(), b":", b";", b'"', b"name=", b"data", b"\0"])))
    def test_survives_its_own_signs_in_any_order(self, signs: list[bytes]) -> None:
        check_decided(b"".join([f"--{BOUNDARY}\r\n".encode(), *signs]))


def check_decided(body: bytes) -> None:
    """Make sure that there is either an ECG or a reason."""
    sample = read(Form("form", body, FORM, {}))
    assert (sample.record is None) == bool(sample.faults)
