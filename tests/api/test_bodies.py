"""The forms of a body beside plain JSON: bare numbers, multipart forms, gzip."""

import gzip
import json
import threading
from typing import Any

import httpx
import numpy as np
import pytest

from app.api.parsing import readers
from app.api.parsing.inflate import inflate
from app.ml.engine import Desk
from tests.fixtures.app import StartClient
from tests.fixtures.ecg import PATIENT, encode, encode_npy, make_request, make_signal, without
from tests.fixtures.forms import (
    BOUNDARY,
    FORM,
    JSON,
    NPY,
    RAW,
    encode_form,
    microvolt_forms,
    millivolt_forms,
    with_gzip,
)

NORMAL = {"class_index": 0, "class_name": "N", "class_description": "Normal ECG"}
GZIP = {"Content-Encoding": "gzip"}
FLOATS = make_signal()
WHOLE = np.rint(1000 * FLOATS).astype("<i2")
SMALL = make_request(make_signal()[:2500:5], sampling_rate_hz=100)
SMALL_ANSWER_BYTES = 4096


async def post(client: httpx.AsyncClient, body: bytes, headers: dict[str, str], **params: Any) -> httpx.Response:
    return await client.post("/forward", content=body, headers=headers, params=params)


async def check_refused(response: httpx.Response, kind: str, *loc: str) -> None:
    assert response.status_code == 400
    assert len(response.content) < SMALL_ANSWER_BYTES
    fault = response.json()["errors"][0]
    assert (fault["type"], tuple(fault["loc"])) == (kind, loc)


async def last_record(client: httpx.AsyncClient) -> dict[str, Any]:
    return dict((await client.get("/history", params={"limit": 1})).json()["records"][0])


class TestAnswersTheSameToTheBit:
    @pytest.mark.parametrize("heart_rate_bpm", [48, 70, 130])
    async def test_to_millivolts_in_every_form(self, client: httpx.AsyncClient, heart_rate_bpm: float) -> None:
        signal = make_signal(seed=int(heart_rate_bpm), heart_rate_bpm=heart_rate_bpm)
        answers = set()
        for form in with_gzip(millivolt_forms(signal)):
            response = await post(client, form.body, form.headers, **form.params, details="true")
            assert response.status_code == 200, form.name
            answer = response.json()
            answer.pop("timing_ms")
            answers.add(json.dumps(answer))
        assert len(answers) == 1

    async def test_to_microvolts_in_every_form_and_names_the_conversion(self, client: httpx.AsyncClient) -> None:
        answers = set()
        for form in with_gzip(microvolt_forms(WHOLE)):
            response = await post(client, form.body, form.headers, **form.params, details="true")
            assert response.status_code == 200, form.name
            answer = response.json()
            answer.pop("timing_ms")
            answers.add(json.dumps(answer))
        (answer,) = answers
        assert "units_converted" in {warning["code"] for warning in json.loads(answer)["warnings"]}


class TestBareNumbers:
    async def test_need_no_type_where_the_size_tells_it(self, client: httpx.AsyncClient) -> None:
        for body in (FLOATS.tobytes(), WHOLE.tobytes()):
            response = await post(client, body, RAW, **PATIENT)
            assert (response.status_code, response.json()) == (200, NORMAL)
        assert (await last_record(client))["source"] == "raw"

    async def test_come_at_other_rates_and_with_other_leads(self, client: httpx.AsyncClient) -> None:
        columns = np.ascontiguousarray(FLOATS[:2500, [0, 1, 6, 7, 8, 9, 10, 11]])
        beside = {"sampling_rate_hz": 250, "leads": "I,II,V1,V2,V3,V4,V5,V6", "dtype": "float32", "details": "true"}
        answer = (await post(client, columns.tobytes(), RAW, **PATIENT, **beside)).json()
        assert {"leads_derived", "resampled"} <= {warning["code"] for warning in answer["warnings"]}

    @pytest.mark.parametrize("beside", [{"sampling_rate_hz": 500}, {"leads": "I,II,III,aVR,aVL,aVF,V1,V2,V3,V4,V5,V6"}])
    async def test_need_one_as_soon_as_the_shape_is_open(
        self, client: httpx.AsyncClient, beside: dict[str, Any]
    ) -> None:
        response = await post(client, FLOATS.tobytes(), RAW, **PATIENT, **beside)
        await check_refused(response, "dtype_needed", "query", "dtype")
        assert (await post(client, FLOATS.tobytes(), RAW, **PATIENT, **beside, dtype="float32")).status_code == 200

    @pytest.mark.parametrize("size", [0, 1, 119_999, 120_001, 239_952, 240_048, 480_000])
    async def test_need_one_where_the_size_is_nobodys(self, client: httpx.AsyncClient, size: int) -> None:
        await check_refused(await post(client, bytes(size), RAW, **PATIENT), "dtype_needed", "query", "dtype")

    async def test_are_counted_when_the_type_is_said(self, client: httpx.AsyncClient) -> None:
        response = await post(client, FLOATS.tobytes(), RAW, **PATIENT, dtype="int16")
        await check_refused(response, "wrong_sample_count", "body", "ecg_signal")

    @pytest.mark.parametrize(
        ("body", "params", "kind", "loc"),
        [
            (b"", {"dtype": "int16"}, "body_empty", ("body",)),
            (bytes(49), {"dtype": "float32"}, "raw_size", ("body",)),
            (bytes(47), {"dtype": "float32"}, "raw_size", ("body",)),
            (np.full(60_000, np.nan, "<f4").tobytes(), {}, "signal_not_finite", ("body",)),
            (np.full(60_000, np.inf, "<f4").tobytes(), {}, "signal_not_finite", ("body",)),
            (WHOLE.tobytes(), {"dtype": "float64"}, "not_one_of", ("query", "dtype")),
            (WHOLE.tobytes(), {"dtype": ["int16", "int16"]}, "duplicate_key", ("query", "dtype")),
            (WHOLE.tobytes(), {"shape": "5000,12"}, "unknown_field", ("query",)),
            (WHOLE.tobytes(), {"units": "mV"}, "int16_is_microvolts", ("query", "units")),
            (WHOLE.tobytes(), {"units": "mV", "dtype": "int16"}, "int16_is_microvolts", ("query", "units")),
        ],
    )
    async def test_are_refused_by_the_place(
        self, client: httpx.AsyncClient, body: bytes, params: dict[str, Any], kind: str, loc: tuple[str, ...]
    ) -> None:
        await check_refused(await post(client, body, RAW, **PATIENT, **params), kind, *loc)

    async def test_need_the_patient_in_the_query(self, client: httpx.AsyncClient) -> None:
        await check_refused(
            await post(client, FLOATS.tobytes(), RAW, **without(PATIENT, "age")), "missing", "query", "age"
        )

    async def test_take_no_type_beside_an_npy_which_has_its_own(self, client: httpx.AsyncClient) -> None:
        response = await post(client, encode_npy(FLOATS), NPY, **PATIENT, dtype="float32")
        await check_refused(response, "unknown_field", "query")


class TestForms:
    async def test_are_taken_as_clients_write_them(self, client: httpx.AsyncClient) -> None:
        parts: dict[str, Any] = {"data": ("ecg.json", encode(SMALL), "application/json; charset=UTF-8")}
        response = await client.post("/forward", files=parts)
        assert (response.status_code, response.json()) == (200, NORMAL)
        assert (await last_record(client))["source"] == "form"

    async def test_may_hold_the_patient_in_parts_of_their_own(self, client: httpx.AsyncClient) -> None:
        data = encode({name: value for name, value in SMALL.items() if name not in PATIENT})
        body = encode_form(data=data, age="30.5", sex="0", height="160", weight="50", heart_axis="LAD")
        assert (await post(client, body, FORM)).status_code == 200
        record = await last_record(client)
        assert [record[name] for name in PATIENT] == [30.5, 0, 160, 50, "LAD"]

    async def test_may_hold_the_patient_in_both_places_but_no_field_twice(self, client: httpx.AsyncClient) -> None:
        body = encode_form(data=encode(without(SMALL, "age")), age="55")
        assert (await post(client, body, FORM)).status_code == 200
        twice = await post(client, encode_form(data=encode(SMALL), age="55"), FORM)
        await check_refused(twice, "duplicate_key", "body", "data", "age")

    @pytest.mark.parametrize("field", PATIENT)
    async def test_need_every_field_from_one_of_the_two(self, client: httpx.AsyncClient, field: str) -> None:
        response = await post(client, encode_form(data=encode(without(SMALL, field))), FORM)
        await check_refused(response, "missing", "body", "data", field)

    @pytest.mark.parametrize(
        ("field", "text", "kind"),
        [
            ("age", "", "number_expected"),
            ("age", "abc", "number_expected"),
            ("age", "nan", "number_expected"),
            ("age", "121", "too_large"),
            ("age", "5" * 65, "value_too_long"),
            ("age", b"\xff", "number_expected"),
            ("sex", "2", "too_large"),
            ("sex", "0.5", "integer_expected"),
            ("heart_axis", "mid", "not_one_of"),
            ("heart_axis", b"M\0D", "not_one_of"),
        ],
    )
    async def test_name_the_part_that_is_wrong(
        self, client: httpx.AsyncClient, field: str, text: str | bytes, kind: str
    ) -> None:
        body = encode_form(data=encode(without(SMALL, field)), **{field: text})
        await check_refused(await post(client, body, FORM), kind, "body", field)

    @pytest.mark.parametrize("part", ["image", "file"])
    async def test_do_not_carry_images_and_files_of_devices_yet(self, client: httpx.AsyncClient, part: str) -> None:
        response = await client.post(
            "/forward", files={part: ("ecg.png", b"\x89PNG")}, headers={"Accept-Language": "en"}
        )
        assert response.status_code == 415
        assert response.json()["detail"] == (
            "the parts image and file are not taken here yet; taken are: data, age, sex, height, weight, heart_axis"
        )
        record = await last_record(client)
        assert (record["status_code"], record["source"]) == (415, "form")

    async def test_name_no_part_that_the_caller_made_up(self, client: httpx.AsyncClient) -> None:
        response = await post(client, encode_form(data=encode(SMALL), canary="1"), FORM)
        await check_refused(response, "unknown_field", "body")
        assert "canary" not in response.text

    async def test_keep_a_line_of_the_data_that_looks_like_a_boundary(self, client: httpx.AsyncClient) -> None:
        spaced = encode(SMALL).replace(b"{", f"{{\r\n--{BOUNDARY[:-1]}\r\n".encode(), 1)
        await check_refused(await post(client, encode_form(data=spaced), FORM), "json_invalid", "body", "data")
        lines = json.dumps(SMALL, indent=1).replace("\n", "\r\n").encode()
        assert (await post(client, encode_form(data=lines), FORM)).status_code == 200


DATA = encode_form(data=encode(SMALL))
HEAD = b'--%b\r\nContent-Disposition: form-data; name="data"\r\n' % BOUNDARY.encode()
TAIL = b"\r\n--%b--\r\n" % BOUNDARY.encode()
BROKEN_FORMS = {
    "nothing": (b"", "form_invalid"),
    "an end alone": (b"--%b--\r\n" % BOUNDARY.encode(), "missing"),
    "no end": (DATA[: -len(TAIL)], "form_invalid"),
    "half an end": (DATA[:-5], "form_invalid"),
    "half a body": (DATA[: len(DATA) // 2], "form_invalid"),
    "another boundary": (DATA.replace(BOUNDARY.encode(), b"another"), "form_invalid"),
    "something before": (b"x" + DATA, "form_invalid"),
    "line feeds alone": (DATA.replace(b"\r\n", b"\n"), "form_invalid"),
    "1001 parts": (encode_form(**{f"part{index}": "" for index in range(1001)}), "form_parts_count"),
    "nine parts": (encode_form(data=b"{}", **{f"part{index}": "" for index in range(8)}), "form_parts_count"),
    "data twice": (DATA[: -len(TAIL)] + b"\r\n" + DATA, "duplicate_key"),
    "an age twice": (encode_form(age="5")[: -len(TAIL)] + b"\r\n" + encode_form(age="5", data=b"{}"), "duplicate_key"),
    "no data": (encode_form(age="5"), "missing"),
    "empty data": (encode_form(data=b""), "body_empty"),
    "a part without a name": (DATA.replace(b'; name="data"', b""), "form_invalid"),
    "a part that is no form's": (DATA.replace(b"form-data", b"attachment"), "form_invalid"),
    "no disposition": (DATA.replace(b"Content-Disposition", b"Content-Location"), "form_invalid"),
    "two dispositions": (HEAD + HEAD[len(BOUNDARY) + 4 :] + b"\r\n{}" + TAIL, "form_invalid"),
    "a name of a megabyte": (DATA.replace(b'"data"', b'"' + b"d" * 2**20 + b'"'), "form_invalid"),
    "a header name of a megabyte": (HEAD + b"X" * 2**20 + b": 1\r\n\r\n{}" + TAIL, "form_invalid"),
    "a hundred headers": (HEAD + b"X-%d: 1\r\n" % 1 * 100 + b"\r\n{}" + TAIL, "form_invalid"),
    "many headers": (HEAD + b"".join(b"X-%d: 1\r\n" % n for n in range(20)) + b"\r\n{}" + TAIL, "form_invalid"),
    "a NUL in a header": (HEAD + b"X\0: 1\r\n\r\n{}" + TAIL, "form_invalid"),
    "UTF-16 data": (encode_form(data=json.dumps(SMALL).encode("utf-16")), "json_invalid"),
    "another charset": (HEAD + b"Content-Type: text/plain; charset=utf-16\r\n\r\n{}" + TAIL, "form_charset"),
    "a form within": (
        HEAD + b"Content-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n\r\n{}\r\n--in--" + TAIL,
        "json_invalid",
    ),
    "NaN": (encode_form(data=encode(make_request([[float("nan")] * 12]))), "json_nan"),
    "deep JSON": (encode_form(data=b"[" * 2000 + b"]" * 2000), "json_too_deep"),
    "a list": (encode_form(data=b"[]"), "not_an_object"),
}


class TestBrokenForms:
    @pytest.mark.parametrize(("body", "kind"), BROKEN_FORMS.values(), ids=BROKEN_FORMS)
    async def test_are_400(self, client: httpx.AsyncClient, body: bytes, kind: str) -> None:
        response = await post(client, body, FORM)
        assert response.status_code == 400
        assert response.json()["errors"][0]["type"] == kind
        assert len(response.content) < SMALL_ANSWER_BYTES

    @pytest.mark.parametrize("parameter", ["", "; boundary=", '; boundary=""', "; charset=utf-8", "; boundary*=x"])
    async def test_need_a_boundary(self, client: httpx.AsyncClient, parameter: str) -> None:
        response = await post(client, DATA, {"Content-Type": f"multipart/form-data{parameter}"})
        await check_refused(response, "form_boundary", "body")

    async def test_need_one_of_a_sane_length(self, client: httpx.AsyncClient) -> None:
        response = await post(client, DATA, {"Content-Type": f"multipart/form-data; boundary={'b' * 1000}"})
        await check_refused(response, "form_invalid", "body")

    async def test_are_413_above_the_cap(self, client: httpx.AsyncClient) -> None:
        response = await post(client, HEAD.replace(b"data", b"d" * 10_000_000) + b"\r\n{}" + TAIL, FORM)
        assert response.status_code == 413

    @pytest.mark.parametrize("kind", ["multipart/mixed", "multipart/form-data-x", "application/x-www-form-urlencoded"])
    async def test_are_415_of_another_kind(self, client: httpx.AsyncClient, kind: str) -> None:
        response = await post(client, DATA, {"Content-Type": f"{kind}; boundary={BOUNDARY}"})
        assert response.status_code == 415


class TestGzip:
    async def test_is_taken_for_one_and_recorded_by_what_was_received(self, client: httpx.AsyncClient) -> None:
        body = gzip.compress(encode(SMALL))
        response = await post(client, body, {**JSON, "Content-Encoding": " GZip "})
        assert (response.status_code, response.json()) == (200, NORMAL)
        assert (await last_record(client))["input_bytes"] == len(body)

    async def test_is_taken_for_a_batch(self, client: httpx.AsyncClient) -> None:
        batch = encode({"samples": [SMALL, SMALL]})
        plain = await client.post("/forward/batch", content=batch, headers=JSON)
        packed = await client.post("/forward/batch", content=gzip.compress(batch), headers={**JSON, **GZIP})
        assert packed.json() == plain.json() == {"predictions": [NORMAL, NORMAL]}

    @pytest.mark.parametrize("address", ["/forward", "/forward/batch"])
    async def test_is_400_when_it_is_broken(self, client: httpx.AsyncClient, address: str) -> None:
        good = gzip.compress(encode(SMALL))
        for body in (b"", encode(SMALL), good[:-1], good + b"x", good + good, gzip.compress(good)):
            response = await client.post(address, content=body, headers={**JSON, **GZIP})
            assert response.status_code == 400
        assert response.json()["errors"][0]["type"] == "json_invalid"

    @pytest.mark.parametrize("address", ["/forward", "/forward/batch"])
    @pytest.mark.parametrize("kind", [JSON, NPY, RAW, FORM])
    async def test_of_a_bomb_is_413(self, start: StartClient, address: str, kind: dict[str, str]) -> None:
        client = await start(max_body_bytes=2**20, max_batch_body_bytes=2**20)
        bomb = gzip.compress(b" " * 500_000_000)
        assert len(bomb) < 2**20
        response = await client.post(address, content=bomb, headers={**kind, **GZIP}, params=PATIENT)
        assert response.status_code == (415 if "batch" in address and kind != JSON else 413)
        assert (await last_record(client))["status_code"] == response.status_code

    async def test_counts_inflated_against_the_bytes_held_at_once(self, start: StartClient) -> None:
        body = encode(SMALL)
        packed = gzip.compress(body)
        client = await start(max_buffered_bytes=len(body) + len(packed) - 1)
        refused = await post(client, packed, {**JSON, **GZIP})
        assert (refused.status_code, refused.json()["type"]) == (503, "/errors/overloaded")
        assert (await post(client, body, JSON)).status_code == 200

    async def test_gives_back_the_room_it_took(self, start: StartClient) -> None:
        body = encode(SMALL)
        packed = gzip.compress(body)
        client = await start(max_buffered_bytes=len(body) + len(packed))
        for content in (packed, packed, packed[:-9] + packed[-8:], packed):
            last = await post(client, content, {**JSON, **GZIP})
        assert last.status_code == 200

    async def test_is_inflated_off_the_event_loop(
        self, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        threads = []

        def watch(*arguments: Any) -> Any:
            threads.append(threading.current_thread())
            return inflate(*arguments)

        monkeypatch.setattr(readers, "inflate", watch)
        await post(client, gzip.compress(encode(SMALL)), {**JSON, **GZIP})
        assert len(threads) == 1
        assert threads[0] is not threading.main_thread()

    async def test_of_a_batch_is_inflated_a_step_at_a_time_with_room_for_others_in_between(
        self, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("app.api.parsing.inflate._STEP_BYTES", 10_000)
        body = encode({"samples": [SMALL]})
        jobs: list[str] = []
        run = Desk.run

        async def count(desk: Desk, *arguments: Any) -> Any:
            jobs.append("job")
            return await run(desk, *arguments)

        monkeypatch.setattr(Desk, "run", count)
        plain = await client.post("/forward/batch", content=body, headers=JSON)
        n_plain = len(jobs)
        packed = await client.post("/forward/batch", content=gzip.compress(body), headers={**JSON, **GZIP})
        assert packed.json() == plain.json()
        assert len(jobs) - 2 * n_plain >= len(body) // 10_000


@pytest.mark.parametrize("address", ["/forward", "/forward/batch"])
async def test_fields_in_the_query_of_json_are_refused_and_not_passed_over(
    client: httpx.AsyncClient, address: str
) -> None:
    sample = make_request(FLOATS)
    body = encode(sample if address == "/forward" else {"samples": [sample]})
    response = await client.post(address, content=body, headers=JSON, params={"sampling_rate_hz": "250"})
    await check_refused(response, "unknown_field", "query")


async def test_an_npy_header_is_as_long_as_it_says(client: httpx.AsyncClient) -> None:
    body = bytearray(encode_npy(FLOATS))
    assert (await post(client, bytes(body), NPY, **PATIENT)).status_code == 200
    body[8] += 16
    await check_refused(await post(client, bytes(body), NPY, **PATIENT), "npy_invalid", "body")
