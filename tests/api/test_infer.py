"""POST /v2/models/ecg/infer: what it reads and what it refuses."""

import gzip
import json
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from app.api.parsing import Upload
from app.api.parsing.infer.request import MAX_JSON_BYTES, read_infer
from app.models.oip import InferRequest
from tests.fixtures.app import StartClient, load_nothing
from tests.fixtures.ecg import make_signal

URL = "http://testserver/v2/models/ecg/infer"
SIGNAL = make_signal()
SMALL_ANSWER_BYTES = 4096
CAP_BYTES = 2**28


def tensor(name: str, values: Any, datatype: str, shape: Any = None, **more: Any) -> dict[str, Any]:
    data = values.tolist() if isinstance(values, np.ndarray) else values
    return {
        "name": name,
        "shape": list(np.shape(values) if shape is None else shape),
        "datatype": datatype,
        "data": data,
    } | more


SIGNAL_TENSOR = tensor("ecg_signal", np.round(SIGNAL, 3).astype(float), "FP32")


def body(*inputs: Any, **more: Any) -> dict[str, Any]:
    return {"inputs": list(inputs), **more}


def packed(*tensors: tuple[str, str, tuple[int, ...], bytes], **more: Any) -> tuple[bytes, dict[str, str]]:
    """Write a request whose tensors are bytes; return it and its headers."""
    inputs = [
        {"name": name, "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": len(raw)}}
        for name, datatype, shape, raw in tensors
    ]
    text = json.dumps(body(*inputs, **more)).encode()
    content = b"".join([text, *(raw for *_, raw in tensors)])
    return content, {"Inference-Header-Content-Length": str(len(text))}


RAW_SIGNAL = ("ecg_signal", "FP32", (5000, 12), SIGNAL.astype("<f4").tobytes())


async def post(client: httpx.AsyncClient, content: Any, headers: dict[str, str] | None = None) -> httpx.Response:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return await client.post(URL, content=raw, headers=headers)


def read(content: Any, headers: dict[str, str] | None = None) -> InferRequest:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    lower = {name.lower(): value for name, value in (headers or {}).items()}
    return read_infer(Upload(bytearray(raw), (), lower, CAP_BYTES))


class TestAnswers:
    async def test_in_the_shape_of_the_protocol(self, client: httpx.AsyncClient) -> None:
        response = await post(client, body(SIGNAL_TENSOR, id="7"))
        assert response.status_code == 200
        assert response.json() == {
            "model_name": "ecg",
            "model_version": "rate-1",
            "id": "7",
            "outputs": [
                {"name": "probabilities", "datatype": "FP32", "shape": [1, 5], "data": [1.0, 0.0, 0.0, 0.0, 0.0]},
                {"name": "class_index", "datatype": "INT64", "shape": [1], "data": [0]},
                {"name": "class_name", "datatype": "BYTES", "shape": [1], "data": ["N"]},
            ],
        }

    async def test_in_bytes_those_outputs_that_are_wanted_so(self, client: httpx.AsyncClient) -> None:
        outputs = [{"name": "class_name"}, {"name": "class_index", "parameters": {"binary_data": False}}]
        content, headers = packed(RAW_SIGNAL, parameters={"binary_data_output": True}, outputs=outputs)
        response = await post(client, content, headers)
        length = int(response.headers["inference-header-content-length"])
        assert response.headers["content-type"] == "application/octet-stream"
        assert json.loads(response.content[:length])["outputs"] == [
            {"name": "class_name", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 5}},
            {"name": "class_index", "datatype": "INT64", "shape": [1], "data": [0]},
        ]
        assert response.content[length:] == b"\x01\0\0\0N"

    async def test_for_256_ecgs_and_records_each_with_its_share_of_the_bytes(self, client: httpx.AsyncClient) -> None:
        many = np.broadcast_to(SIGNAL.astype("<f4"), (256, 5000, 12))
        content, headers = packed(("ecg_signal", "FP32", (256, 5000, 12), many.tobytes()))
        answer = (await post(client, content, headers)).json()
        assert answer["outputs"][1]["data"] == [0] * 256
        history = (await client.get("/history", params={"limit": 1})).json()
        assert history["total"] == 256
        assert history["records"][0]["input_bytes"] == len(content) // 256

    async def test_to_what_was_compressed_and_records_what_was_received(self, client: httpx.AsyncClient) -> None:
        content = gzip.compress(json.dumps(body(SIGNAL_TENSOR)).encode())
        assert (await post(client, content, {"Content-Encoding": "gzip"})).status_code == 200
        assert (await client.get("/history")).json()["records"][0]["input_bytes"] == len(content)

    async def test_where_patients_are_known_in_part(self, client: httpx.AsyncClient) -> None:
        signals = tensor("ecg_signal", np.stack([SIGNAL, SIGNAL]).astype(float), "FP64")
        age = tensor("age", [[30], [40]], "INT32", (2, 1))
        axis = tensor("heart_axis", ["", "MID"], "BYTES")
        assert (await post(client, body(signals, age, axis))).status_code == 200
        rows = (await client.get("/history")).json()["records"]
        assert [(row["age"], row["sex"], row["heart_axis"]) for row in rows] == [(40, None, "MID"), (30, None, None)]

    async def test_503_without_a_model_and_records_it(self, start: StartClient) -> None:
        client = await start(load_model=load_nothing)
        for path in ("/v2/health/ready", "/v2/models/ecg", "/v2/models/ecg/ready", "/v2/models/ecg/versions/1/ready"):
            response = await client.get(f"http://testserver{path}")
            assert (response.status_code, response.json()["error"]) == (503, "Модель не загружена")
        assert (await post(client, body(SIGNAL_TENSOR))).status_code == 503
        assert (await client.get("/history")).json()["records"][0]["status_code"] == 503

    async def test_with_the_message_where_either_kind_of_client_looks(self, client: httpx.AsyncClient) -> None:
        response = await post(client, b"{", {"Accept-Language": "en"})
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["error"] == response.json()["detail"]
        assert "error" not in (await client.get("/nowhere")).json()


class TestReady:
    async def test_is_not_while_the_queue_is_full_or_the_service_stops(self, start: StartClient) -> None:
        client = await start(compute_queue_size=1)
        state = client.app.state.service  # type: ignore[attr-defined]
        with state.engine.admit():
            assert (await client.get("http://testserver/v2/health/ready")).status_code == 503
        assert (await client.get("http://testserver/v2/health/ready")).json() == {"ready": True}
        state.draining = True
        refused = await client.get("http://testserver/v2/health/ready")
        assert (refused.status_code, refused.json()["type"]) == (503, "/errors/shutting-down")
        assert (await client.get("http://testserver/v2/health/live")).json() == {"live": True}


def with_signal(**changes: Any) -> dict[str, Any]:
    return body({**SIGNAL_TENSOR, **changes})


ROWS = SIGNAL_TENSOR["data"]
SHORT = tensor("ecg_signal", [[0.5] * 12] * 3, "FP32")
REFUSED: dict[str, tuple[Any, str]] = {
    "nothing": (b"", "body_empty"),
    "no JSON": (b"{", "json_invalid"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "json_bom"),
    "NaN": (json.dumps(with_signal(data=[float("nan")])).encode(), "json_nan"),
    "deep": (b"[" * 5000 + b"]" * 5000, "json_too_deep"),
    "an array": ([], "not_an_object"),
    "an empty object": ({}, "missing"),
    "no inputs": (body(), "missing"),
    "inputs that are none": ({"inputs": {}}, "array_expected"),
    "an input that is none": (body(1), "not_an_object"),
    "an unknown member": ({**body(SHORT), "canary": 1}, "unknown_field"),
    "an unknown member of an input": (body({**SHORT, "canary": 1}), "unknown_field"),
    "an input twice": (body(SIGNAL_TENSOR, SIGNAL_TENSOR), "duplicate_key"),
    "a member twice": (b'{"id": "1", "id": "2", "inputs": []}', "duplicate_key"),
    "17 inputs": (body(*[SHORT] * 17), "value_too_long"),
    "an unknown input": (body(SHORT, tensor("canary", [1], "FP32")), "not_one_of"),
    "an unknown datatype": (with_signal(datatype="FP16"), "not_one_of"),
    "texts for a signal": (with_signal(datatype="BYTES"), "not_one_of"),
    "an object for a name": (with_signal(name={"x": []}), "not_one_of"),
    "no shape": (with_signal(shape=None), "missing"),
    "a shape that is no array": (with_signal(shape=5), "array_expected"),
    "a shape of texts": (with_signal(shape=["5000", 12]), "tensor_shape"),
    "a shape of booleans": (with_signal(shape=[True, True]), "tensor_shape"),
    "a negative shape": (with_signal(shape=[-1, 12]), "tensor_shape"),
    "an empty shape": (with_signal(shape=[]), "tensor_shape"),
    "four dimensions": (with_signal(shape=[1, 1, 5000, 12]), "tensor_shape"),
    "a huge shape": (with_signal(shape=[10**6, 10**7, 10**7]), "tensor_nesting"),
    "a huger shape": (with_signal(shape=[10**18, 12]), "tensor_shape"),
    "one dimension": (with_signal(shape=[60_000], data=[0.5] * 60_000), "tensor_signal_shape"),
    "no ECG": (with_signal(shape=[0, 5000, 12], data=[]), "samples_count"),
    "257 ECGs": (with_signal(shape=[257, 1, 12], data=[0.5] * 257 * 12), "samples_count"),
    "empty ECGs": (with_signal(shape=[1, 0, 12], data=[]), "signal_empty"),
    "no data": (with_signal(data=None), "missing"),
    "a number for data": (with_signal(data=1), "array_expected"),
    "texts for numbers": (with_signal(data=["0.5"] * 60_000), "tensor_data"),
    "nulls for numbers": (with_signal(data=[None] * 60_000), "tensor_data"),
    "too few": (with_signal(data=[0.5] * 59_999), "tensor_size"),
    "ragged": (with_signal(data=[[0.5] * 11, [0.5] * 13, *ROWS[2:]]), "tensor_nesting"),
    "nested otherwise": (with_signal(data=[[0.5] * 5000] * 12), "tensor_nesting"),
    "nested too deep": (with_signal(data=[[[0.5] * 12]] * 5000), "tensor_nesting"),
    "an array hidden in a row": (with_signal(data=[[*[0.5] * 10, [], [0.5, 0.5]], *ROWS[1:]]), "tensor_nesting"),
    "an array hidden among the numbers": (with_signal(data=[0.5, [], [0.5, 0.5], *[0.5] * 59_997]), "tensor_nesting"),
    "a number among rows": (with_signal(data=[*ROWS[:-1], 0.5]), "tensor_nesting"),
    "beyond float32": (with_signal(data=[1e39] * 60_000), "signal_not_finite"),
    "beyond int16": (with_signal(datatype="INT16", data=[40_000] * 60_000), "integer_expected"),
    "halves as int16": (with_signal(datatype="INT16", data=[0.5] * 60_000), "integer_expected"),
    "too few samples": (body(SHORT), "wrong_sample_count"),
    "eleven leads": (with_signal(shape=[5000, 11], data=[0.5] * 55_000), "wrong_lead_count"),
    "two ages for one": (body(SIGNAL_TENSOR, tensor("age", [1, 2], "FP32")), "tensor_column_shape"),
    "a row of ages": (body(SIGNAL_TENSOR, tensor("age", [1], "FP32", (1, 1, 1))), "tensor_column_shape"),
    "a wrong age": (body(SIGNAL_TENSOR, tensor("age", [121], "FP32")), "too_large"),
    "a wrong sex": (body(SIGNAL_TENSOR, tensor("sex", [2], "INT64")), "too_large"),
    "half a sex": (body(SIGNAL_TENSOR, tensor("sex", [0.5], "FP32")), "integer_expected"),
    "an age of text": (body(SIGNAL_TENSOR, tensor("age", ["5"], "BYTES")), "not_one_of"),
    "a wrong axis": (body(SIGNAL_TENSOR, tensor("heart_axis", ["canary"], "BYTES")), "not_one_of"),
    "a number for an axis": (body(SIGNAL_TENSOR, tensor("heart_axis", [1], "BYTES")), "tensor_data"),
    "two axes": (body(SIGNAL_TENSOR, tensor("heart_axis", ["MID", "MID"], "BYTES", (1,))), "tensor_size"),
    "a flood of axes": (body(SIGNAL_TENSOR, tensor("heart_axis", ["MID"] * 100_000, "BYTES")), "tensor_size"),
    "a flood of ages": (body(SIGNAL_TENSOR, tensor("age", [1] * 100_000, "FP32")), "tensor_column_shape"),
    "a flood of rows": (with_signal(shape=[1_300_000, 1], data=[[1]] * 1_300_000), "tensor_nesting"),
    "a number for an id": (body(SIGNAL_TENSOR, id=1), "text_expected"),
    "a long id": (body(SIGNAL_TENSOR, id="x" * 257), "value_too_long"),
    "parameters that are none": (body(SIGNAL_TENSOR, parameters=[]), "not_an_object"),
    "a list for a parameter": (body(SIGNAL_TENSOR, parameters={"a": []}), "infer_parameter"),
    "a NUL in a parameter's name": (body(SIGNAL_TENSOR, parameters={"a\0b": 1, "a": 1}), "infer_parameter"),
    "outputs that are none": (body(SIGNAL_TENSOR, outputs=1), "array_expected"),
    "an unknown output": (body(SIGNAL_TENSOR, outputs=[{"name": "canary"}]), "not_one_of"),
    "an output twice": (body(SIGNAL_TENSOR, outputs=[{"name": "class_index"}] * 2), "duplicate_key"),
    "shared memory": (
        body(SIGNAL_TENSOR, outputs=[{"name": "class_index", "parameters": {"shared_memory_region": "x"}}]),
        "infer_extension",
    ),
    "bytes that are not there": (
        body({**SHORT, "data": None, "parameters": {"binary_data_size": 144}}),
        "tensor_twice",
    ),
}


class TestRefuses:
    @pytest.mark.parametrize(("content", "kind"), REFUSED.values(), ids=REFUSED)
    async def test_by_the_reason_and_without_an_echo(self, client: httpx.AsyncClient, content: Any, kind: str) -> None:
        response = await post(client, content)
        assert response.status_code == 400
        assert response.json()["errors"][0]["type"] == kind
        assert len(response.content) < SMALL_ANSWER_BYTES
        assert "canary" not in response.text
        assert (await client.get("/history")).json()["records"][0]["status_code"] == 400

    @pytest.mark.parametrize("length", ["-1", "x", "1.0", "", "٣", "9" * 5000, "240600"])
    async def test_a_header_length_that_is_none(self, client: httpx.AsyncClient, length: str) -> None:
        content, _ = packed(RAW_SIGNAL)
        headers = [(b"Inference-Header-Content-Length", length.encode())]
        response = await client.post(URL, content=content, headers=headers)
        assert response.status_code == 400
        assert response.json()["errors"][0]["type"] == "infer_header_length"

    @pytest.mark.parametrize(
        ("change", "kind"),
        [
            (lambda raw: raw[:-1], "tensor_size"),
            (lambda raw: raw[:-4], "tensor_size"),
            (lambda raw: raw + bytes(4), "tensor_bytes_left"),
        ],
        ids=["a byte less", "a number less", "a number more"],
    )
    async def test_bytes_that_are_not_the_tensors(self, client: httpx.AsyncClient, change: Any, kind: str) -> None:
        content, headers = packed(RAW_SIGNAL)
        response = await post(client, change(content), headers)
        assert response.status_code == 400
        assert response.json()["errors"][0]["type"] == kind

    @pytest.mark.parametrize(
        ("raw", "kind"),
        [
            (b"", "tensor_size"),
            (b"\x03\0\0\0MI", "tensor_size"),
            (b"\x03\0\0\0MIDx", "tensor_size"),
            (b"\xff\xff\xff\xffMID", "tensor_size"),
            (b"\x03\0\0\0M\xffD", "not_one_of"),
            (b"\x03\0\0\0MID" * 2, "tensor_size"),
            (bytes(4_000_000), "tensor_size"),
        ],
    )
    async def test_texts_that_are_not_what_their_lengths_say(
        self, client: httpx.AsyncClient, raw: bytes, kind: str
    ) -> None:
        content, headers = packed(RAW_SIGNAL, ("heart_axis", "BYTES", (1,), raw))
        response = await post(client, content, headers)
        assert response.status_code == 400
        assert response.json()["errors"][0]["type"] == kind

    async def test_the_one_ecg_of_a_batch_that_is_not_finite(self, client: httpx.AsyncClient) -> None:
        signals = np.stack([SIGNAL, SIGNAL]).astype("<f4")
        signals[1, 0, 0] = np.nan
        content, headers = packed(("ecg_signal", "FP32", signals.shape, signals.tobytes()))
        response = await post(client, content, headers)
        assert response.json()["errors"][0]["loc"] == ["body", "samples", 1, "ecg_signal"]

    async def test_a_json_larger_than_is_parsed_at_once(self, client: httpx.AsyncClient) -> None:
        content = b" " * (MAX_JSON_BYTES + 1)
        response = await client.post(URL, content=content, headers={"Accept-Language": "en"})
        assert response.status_code == 413
        assert response.json()["error"] == "the JSON is larger than 12 MiB; send the tensors as binary data"

    async def test_a_body_above_the_cap_and_a_bomb(self, start: StartClient) -> None:
        client = await start(max_batch_body_bytes=2**20)
        assert (await post(client, b" " * (2**20 + 1))).status_code == 413
        bomb = gzip.compress(b" " * 50_000_000)
        assert (await post(client, bomb, {"Content-Encoding": "gzip"})).status_code == 413

    @pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=x", "application/x-npy"])
    async def test_other_types(self, client: httpx.AsyncClient, content_type: str) -> None:
        response = await post(client, body(SIGNAL_TENSOR), {"Content-Type": content_type})
        assert response.status_code == 415
        assert response.headers["accept"] == "application/json, application/octet-stream"

    @pytest.mark.parametrize("path", ["models/x/infer", "models/ecg/versions/0/infer"])
    async def test_other_models_and_versions(self, client: httpx.AsyncClient, path: str) -> None:
        response = await client.post(f"http://testserver/v2/{path}", content=b"{}")
        assert (response.status_code, response.json()["error"]) == (404, "Ничего не найдено")


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=30,
)
batches = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 13)),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
)
SIGNS = st.text('[]{}",\\:x ', max_size=12)


class TestAnyRequest:
    @given(place=st.sampled_from(["name", "shape", "datatype", "parameters", "data"]), value=any_json)
    @settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
    async def test_with_anything_in_an_input_is_400_or_200(
        self, client: httpx.AsyncClient, place: str, value: object
    ) -> None:
        assert (await post(client, body({**SHORT, place: value}))).status_code in {200, 400}

    @given(place=st.sampled_from(["id", "parameters", "inputs", "outputs"]), value=any_json)
    @settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
    async def test_with_anything_around_is_400_or_200(
        self, client: httpx.AsyncClient, place: str, value: object
    ) -> None:
        assert (await post(client, {**body(SHORT), place: value})).status_code in {200, 400}

    @given(signals=batches, note=SIGNS, key=SIGNS)
    @settings(max_examples=200)
    def test_gives_the_same_arrays_flat_nested_and_as_bytes(
        self, signals: npt.NDArray[np.float32], note: str, key: str
    ) -> None:
        more = {"id": note, "parameters": {key: note}}
        flat = tensor("ecg_signal", signals.ravel().tolist(), "FP32", signals.shape)
        requests = [
            read(body(tensor("ecg_signal", signals.astype(float), "FP32"), **more)),
            read(body(flat, **more)),
            read(*packed(("ecg_signal", "FP32", signals.shape, signals.astype("<f4").tobytes()), **more)),
            read(*packed(("ecg_signal", "FP64", signals.shape, signals.astype("<f8").tobytes()), **more)),
        ]
        for request in requests:
            assert request.batch.faults == ()
            assert request.id == note
            records = [part.read().record for part in request.batch.parts]
            assert [record.signal.tobytes() for record in records if record is not None] == [
                signal.tobytes() for signal in signals
            ]

    @given(cut=st.integers(0, 400), byte=st.integers(0, 255))
    @settings(max_examples=300)
    def test_survives_any_changed_byte(self, cut: int, byte: int) -> None:
        content, headers = packed(
            ("ecg_signal", "FP32", (2, 3), bytes(24)), ("heart_axis", "BYTES", (1,), b"\x03\0\0\0MID"), id="1"
        )
        changed = bytearray(content)
        changed[cut % len(changed)] = byte
        request = read(bytes(changed), headers)
        assert bool(request.batch.parts) != bool(request.batch.faults)


def test_a_large_json_is_read_by_a_parser_of_its_own() -> None:
    flat = [0.123456789] * (12 * 5000 * 14)
    request = read(body(tensor("ecg_signal", flat, "FP32", (14, 5000, 12))))
    assert len(request.batch.parts) == 14
    assert request.batch.parts[13].read().record is not None
