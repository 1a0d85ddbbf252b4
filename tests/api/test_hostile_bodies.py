"""Bodies that break parsers: each is a 400 that repeats nothing, never a 500."""

import json
from typing import Any, Literal

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.api.parsing.json_ecg import read_json
from app.api.parsing.npy import read_npy
from app.core.messages import explain
from tests.fixtures.app import JSON
from tests.fixtures.ecg import PATIENT, encode, encode_npy, make_request, make_signal, without

SMALL_ANSWER_BYTES = 4096
BASE = json.dumps(PATIENT)[:-1]


def with_signal(text: str) -> bytes:
    """Return a request whose signal is this text."""
    return f'{BASE}, "ecg_signal": {text}}}'.encode("utf-8", "surrogatepass")


def with_field(name: str, text: str) -> bytes:
    """Return a request with this text as the field's value."""
    request = without(make_request([[0.0] * 12] * 3), name)
    return f'{json.dumps(request)[:-1]}, "{name}": {text}}}'.encode("utf-8", "surrogatepass")


NUMBERS = ["NaN", "-NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 4000, "1" * 5000, "0x10", "1_0", "01", ".5"]
SIGNALS = {
    "empty": "[]",
    "empty row": "[[]]",
    "empty rows": str([[]] * 5000),
    "number": "1",
    "text": '"1,2,3"',
    "null": "null",
    "true": "true",
    "object": "{}",
    "object of rows": '{"0": [1, 2]}',
    "objects in rows": '[[{"a": 1}]]',
    "flat without shape": str([0.1] * 60_000),
    "ragged": str([[0.1] * 12] * 4999 + [[0.1] * 11]),
    "ragged to the same total": str([[0.1] * 12] * 4998 + [[0.1] * 11, [0.1] * 13]),
    "a number among rows": str([[0.1] * 12] * 4999).replace("]]", "], 0.1]"),
    "a row within a row": str([[0.1] * 12] * 5000).replace("[0.1", "[[0.1]", 2).replace("[[[", "[[", 1),
    "three deep": str([[[0.1]] * 12] * 5000),
    "an empty array hidden": str([[0.1] * 12] * 5000).replace("0.1]", "[]]", 1),
    "texts": json.dumps([["0.1"] * 12] * 5000),
    "a text": str([[0.1] * 12] * 5000).replace("0.1]]", '"x"]]'),
    "a null": str([[0.1] * 12] * 5000).replace("0.1]]", "null]]"),
    "a true": str([[0.1] * 12] * 5000).replace("0.1]]", "true]]"),
    "beyond float32": str([[0.1] * 12] * 5000).replace("0.1]]", "1e39]]"),
    "beyond int64": str([[0.1] * 12] * 5000).replace("0.1]]", f"{2**64}]]"),
    "largest double": str([[1.7e308] * 12] * 5000),
    "deep": "[" * 100_000 + "]" * 100_000,
    "unclosed": "[" * 100_000,
    "trailing comma": "[[0.1, 0.2,]]",
    "transposed": str([[0.1] * 5000] * 12),
    "eleven leads": str([[0.1] * 11] * 5000),
    "one sample": str([[0.1] * 12]),
    "far too long": str([[1] * 12] * 200_000),
}
BODIES = {
    "nothing": b"",
    "a space": b" ",
    "null": b"null",
    "a number": b"1",
    "a text": b'"x"',
    "an array": b"[]",
    "an empty object": b"{}",
    "two documents": b"{}{}",
    "rubbish behind": encode(make_request([[0.1] * 12])) + b"x",
    "a NUL behind": encode(make_request([[0.1] * 12])) + b"\0",
    "a comment": b"/* */ {}",
    "a byte order mark": b"\xef\xbb\xbf" + encode(make_request([[0.1] * 12])),
    "UTF-16": json.dumps(make_request([[0.1] * 12])).encode("utf-16"),
    "UTF-16 without a mark": json.dumps(make_request([[0.1] * 12])).encode("utf-16-le"),
    "UTF-32": json.dumps(make_request([[0.1] * 12])).encode("utf-32"),
    "broken UTF-8": encode(make_request([[0.1] * 12])).replace(b"MID", b"\xff\xfe"),
    "a raw newline in a text": encode(make_request([[0.1] * 12])).replace(b"MID", b"M\nD"),
    "deep arrays": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "form fields": b"age=55&sex=1",
    "a gzip": b"\x1f\x8b\x08\x00",
    "two signals": with_signal("[[1]]")[:-1] + b', "ecg_signal": [[1]]}',
    "two ages": encode(make_request([[0.1] * 12]))[:-1] + b', "age": 56}',
    "an age in disguise": encode(make_request([[0.1] * 12]))[:-1] + b', "\\u0061ge": 56}',
    "a thousand unknown fields": encode({f"field{index}": index for index in range(1000)}),
}


async def check_refused(client: httpx.AsyncClient, body: bytes) -> dict[str, Any]:
    """Return the answer, having made sure that it is a small 400."""
    response = await client.post("/forward", content=body, headers=JSON)
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    assert 1 <= len(response.json()["errors"]) <= 10
    assert len(response.content) < SMALL_ANSWER_BYTES
    return dict(response.json())


class TestAnswers400:
    @pytest.mark.parametrize("text", NUMBERS)
    @pytest.mark.parametrize("place", ["ecg_signal", "age", "sex", "height", "weight", "sampling_rate_hz"])
    async def test_to_numbers_that_are_none(self, client: httpx.AsyncClient, place: str, text: str) -> None:
        body = with_signal(f"[[{text}]]") if place == "ecg_signal" else with_field(place, text)
        problem = await check_refused(client, body)
        said = json.dumps(problem, ensure_ascii=False).replace(explain("json_nan"), "")
        assert text not in said

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("1e999", "json_number_out_of_range"),
            ("-1.5E+400", "json_number_out_of_range"),
            (str(2**64), "json_number_out_of_range"),
            (str(10**30), "json_number_out_of_range"),
            (str(-(2**63) - 1), "json_number_out_of_range"),
            ("1" * 5000, "json_number_out_of_range"),
            ("[" * 2000 + "]" * 2000, "json_too_deep"),
            ("NaN", "json_nan"),
            ("-Infinity", "json_nan"),
            ("nan", "json_nan"),
            ("01", "json_invalid"),
            ("0x10", "json_invalid"),
            ("1e300, 01", "json_invalid"),
        ],
    )
    async def test_with_the_true_reason(self, client: httpx.AsyncClient, text: str, reason: str) -> None:
        problem = await check_refused(client, with_signal(f"[[{text}]]"))
        assert [fault["type"] for fault in problem["errors"]] == [reason]

    @pytest.mark.parametrize("text", SIGNALS.values(), ids=SIGNALS)
    async def test_to_signals_of_another_shape(self, client: httpx.AsyncClient, text: str) -> None:
        problem = await check_refused(client, with_signal(text))
        assert problem["errors"][0]["loc"] in (["body"], ["body", "ecg_signal"])

    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    async def test_to_bodies_that_are_no_request(self, client: httpx.AsyncClient, body: bytes) -> None:
        await check_refused(client, body)

    @pytest.mark.parametrize(
        "text", ['"MI\\u0000D"', '"\\ud800"', '"\\udfff\\ud800"', '"\ud800"', '"' + "A" * 100_000 + '"']
    )
    @pytest.mark.parametrize("place", ["heart_axis", "units", "leads", "age"])
    async def test_to_strange_texts(self, client: httpx.AsyncClient, place: str, text: str) -> None:
        await check_refused(client, with_field(place, f"[{text}]" if place == "leads" else text))

    async def test_to_a_flood_of_texts(self, client: httpx.AsyncClient) -> None:
        flood = with_signal(json.dumps(["x"] * 250_000))
        assert (await check_refused(client, flood))["errors"][0]["type"] == "signal_not_numeric"

    async def test_to_a_shape_that_is_not_the_signals(self, client: httpx.AsyncClient) -> None:
        for shape in ([5000, 11], [12, 5000_000], [1, 1], [60_000, 12]):
            body = make_request([0.1] * 60_000, shape=shape)
            assert (await check_refused(client, encode(body)))["errors"][0]["type"] == "shape_mismatch"

    async def test_to_a_shape_of_a_signal_made_of_rows(self, client: httpx.AsyncClient) -> None:
        body = make_request([[0.1] * 12] * 10, shape=[10, 12])
        assert (await check_refused(client, encode(body)))["errors"][0]["type"] == "shape_with_rows"


NPY = encode_npy(make_signal())
NPY_BODIES = {
    "nothing": b"",
    "the magic alone": NPY[:6],
    "half a header": NPY[:40],
    "cut off": NPY[:-1],
    "too long": NPY + b"\0",
    "a shape of terabytes": NPY.replace(b"5000", b"9999999999", 1),
    "a negative shape": NPY.replace(b"(5000", b"(-500", 1),
    "an unknown version": NPY[:6] + b"\x09" + NPY[7:],
    "a header of 60 KB": b"\x93NUMPY\x01\x00\x60\xea" + b"(" * 60_000,
    "a deep header": b"\x93NUMPY\x01\x00\xa0\x0f" + b"(" * 4000,
    "a header that is code": NPY.replace(b"'descr'", b"exit(1)", 1),
    "objects": encode_npy(np.array([[None]])),
    "complex": encode_npy(np.ones((5000, 12), complex)),
    "texts": encode_npy(np.array([["x"]])),
    "moments": encode_npy(np.zeros((5000, 12), "M8[s]")),
    "three dimensions": encode_npy(np.zeros((5000, 12, 1))),
    "one dimension": encode_npy(np.zeros(60_000)),
    "no dimension": encode_npy(np.array(1.0)),
    "nothing in it": encode_npy(np.zeros((0, 12))),
    "not finite": encode_npy(np.full((5000, 12), np.nan)),
    "beyond float32": encode_npy(np.full((5000, 12), 1e300)),
    "a type there is none": NPY.replace(b"<f4", b"|f1", 1),
    "a shape with a gap": NPY.replace(b"(5000", b"(5 00", 1),
    "an archive": b"PK\x03\x04" + b"\0" * 100,
}


@pytest.mark.parametrize("body", NPY_BODIES.values(), ids=NPY_BODIES)
async def test_answers_400_to_a_broken_npy(client: httpx.AsyncClient, body: bytes) -> None:
    headers = {"Content-Type": "application/x-npy"}
    response = await client.post("/forward", content=body, headers=headers, params=PATIENT)
    assert response.status_code == 400
    assert len(response.content) < SMALL_ANSWER_BYTES


@pytest.mark.parametrize(
    "params",
    [
        {},
        {**PATIENT, "sex": "x"},
        {**PATIENT, "age": "nan"},
        {**PATIENT, "weight": "inf"},
        {**PATIENT, "agee": 1},
        {**PATIENT, "shape": "[5000,12]"},
        {**PATIENT, "age": ["55", "56"]},
    ],
)
async def test_answers_400_to_an_npy_with_another_patient(client: httpx.AsyncClient, params: dict[str, Any]) -> None:
    headers = {"Content-Type": "application/x-npy"}
    response = await client.post("/forward", content=NPY, headers=headers, params=params)
    assert response.status_code == 400
    assert response.json()["errors"][0]["loc"][0] == "query"


async def test_names_the_field_that_a_query_gives_twice(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/x-npy"}
    response = await client.post("/forward", content=NPY, headers=headers, params={**PATIENT, "age": ["55", "56"]})
    assert response.json()["errors"][0]["loc"] == ["query", "age"]
    assert response.json()["errors"][0]["type"] == "duplicate_key"


async def test_asks_for_two_dimensions_where_an_npy_has_one(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/x-npy", "Accept-Language": "en"}
    body = encode_npy(np.zeros(60_000))
    response = await client.post("/forward", content=body, headers=headers, params=PATIENT)
    assert response.json()["errors"][0]["msg"] == "a 2-D array is expected: [sample][lead]"


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=30,
)
rows = st.lists(st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=13), min_size=1, max_size=8)


class TestAnyJSON:
    @given(value=any_json)
    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    async def test_in_place_of_the_signal_is_400_or_200(self, client: httpx.AsyncClient, value: object) -> None:
        response = await client.post("/forward", content=encode(make_request(value)), headers=JSON)
        assert response.status_code in {200, 400}

    @given(value=any_json)
    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    async def test_in_place_of_the_request_is_400(self, client: httpx.AsyncClient, value: object) -> None:
        response = await client.post("/forward", content=encode(value), headers=JSON)
        assert response.status_code == 400

    @given(value=any_json, field=st.sampled_from([*PATIENT, "units", "leads", "shape", "sampling_rate_hz"]))
    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    async def test_in_place_of_a_field_is_never_an_error_of_ours(
        self, client: httpx.AsyncClient, value: object, field: str
    ) -> None:
        body = encode(make_request([[0.1] * 12] * 4, **{field: value}))
        assert (await client.post("/forward", content=body, headers=JSON)).status_code in {200, 400}

    @given(value=any_json)
    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    async def test_in_place_of_a_batch_is_400(self, client: httpx.AsyncClient, value: object) -> None:
        response = await client.post("/forward/batch", content=encode({"samples": value}), headers=JSON)
        assert response.status_code == 400


class TestReadingASignal:
    @given(signal=rows)
    @settings(deadline=None)
    def test_takes_rows_of_one_length_as_they_are_and_nothing_else(self, signal: list[list[float]]) -> None:
        record = read_json(encode(make_request(signal))).record
        if len({len(row) for row in signal}) == 1:
            assert record is not None
            np.testing.assert_array_equal(record.signal, np.asarray(signal, np.float32))
        else:
            assert record is None

    @given(signal=rows)
    @settings(deadline=None)
    def test_takes_a_flat_signal_as_the_nested_one(self, signal: list[list[float]]) -> None:
        width = len(signal[0])
        nested = [row[:width] + [0.0] * (width - len(row)) for row in signal]
        flat = [value for row in nested for value in row]
        one = read_json(encode(make_request(nested))).record
        other = read_json(encode(make_request(flat, shape=[len(nested), width]))).record
        assert one is not None
        assert other is not None
        np.testing.assert_array_equal(one.signal, other.signal)

    @given(cut=st.integers(min_value=0))
    @settings(deadline=None)
    def test_takes_no_part_of_a_request(self, cut: int) -> None:
        body = encode(make_request([[0.5] * 12] * 20))
        assert read_json(body[: cut % len(body)]).record is None

    @given(place=st.integers(min_value=0), byte=st.integers(0, 255))
    @settings(deadline=None, max_examples=300)
    def test_survives_any_changed_byte(self, place: int, byte: int) -> None:
        body = bytearray(encode(make_request([[0.5] * 12] * 5)))
        body[place % len(body)] = byte
        sample = read_json(bytes(body))
        assert (sample.record is None) == bool(sample.faults)


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2", "<i2", ">i4", "<u8", "|i1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_reads_every_kind_of_number(dtype: str, order: Literal["C", "F"]) -> None:
    values = np.arange(24).astype(dtype).reshape(2, 12)
    query = [(name, str(value)) for name, value in PATIENT.items()]
    record = read_npy(encode_npy(np.array(values, order=order)), query).record
    assert record is not None
    np.testing.assert_array_equal(record.signal, np.arange(24, dtype=np.float32).reshape(2, 12))
