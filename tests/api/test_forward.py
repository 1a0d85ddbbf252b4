"""POST /forward."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest

from app.core.constants import SUPERCLASSES
from app.ecg.pipeline import PreparedECG
from app.ml.classifier import Classification
from tests.fixtures.app import JSON, RateClassifier, StartClient, load_nothing
from tests.fixtures.ecg import PATIENT, encode, encode_npy, make_request, make_signal, without

NORMAL = {"class_index": 0, "class_name": "N", "class_description": "Normal ECG"}
STTC = {"class_index": 1, "class_name": "S", "class_description": "STTC"}

Body = Callable[..., bytes]


async def post(client: httpx.AsyncClient, body: bytes, **params: Any) -> httpx.Response:
    return await client.post("/forward", content=body, headers=JSON, params=params)


async def last_record(client: httpx.AsyncClient) -> dict[str, Any]:
    records = (await client.get("/history", params={"limit": 1})).json()["records"]
    return dict(records[0])


class TestClassifiesAnECG:
    async def test_answers_the_documents_three_fields_and_no_more(
        self, client: httpx.AsyncClient, ecg_body: bytes
    ) -> None:
        response = await post(client, ecg_body)
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json"
        assert response.json() == NORMAL

    async def test_names_another_class_for_another_heart(self, client: httpx.AsyncClient) -> None:
        fast = encode(make_request(make_signal(heart_rate_bpm=130)))
        assert (await post(client, fast)).json() == STTC

    async def test_needs_no_token_and_ignores_a_bad_one(self, client: httpx.AsyncClient, request_with: Body) -> None:
        response = await client.post(
            "/forward", content=request_with(), headers={**JSON, "Authorization": "Bearer nonsense"}
        )
        assert response.status_code == 200

    async def test_takes_a_flat_signal_with_its_shape(self, client: httpx.AsyncClient) -> None:
        flat = make_request(np.round(make_signal(), 3).ravel().tolist(), shape=[5000, 12])
        assert (await post(client, encode(flat))).json() == NORMAL

    async def test_takes_an_npy_body_with_the_patient_in_the_query(self, client: httpx.AsyncClient) -> None:
        response = await client.post(
            "/forward",
            content=encode_npy(make_signal()),
            headers={"Content-Type": "application/x-npy"},
            params={**PATIENT, "details": "true"},
        )
        assert response.status_code == 200
        assert response.json()["class_name"] == "N"
        assert (await last_record(client))["source"] == "npy"

    async def test_takes_microvolts_other_rates_and_other_orders_and_says_so(self, client: httpx.AsyncClient) -> None:
        leads = ["V6", "V5", "V4", "V3", "V2", "V1", "II", "I"]
        columns = make_signal()[:3000, [11, 10, 9, 8, 7, 6, 1, 0]]
        body = make_request(
            np.rint(1000 * columns).astype(int), leads=leads, units="uV", sampling_rate_hz=400, heart_axis="NO_DATA"
        )
        answer = (await post(client, encode(body), details="true")).json()
        codes = {warning["code"] for warning in answer["warnings"]}
        assert codes >= {"leads_reordered", "leads_derived", "units_converted", "resampled"}

    async def test_answers_the_same_to_the_bit_in_every_form(self, client: httpx.AsyncClient) -> None:
        signal = np.round(make_signal(), 3).astype(np.float32)
        values = [[round(float(value), 3) for value in row] for row in signal]
        nested = make_request(values)
        flat = make_request([value for row in values for value in row], shape=[5000, 12])
        answers = [
            (await post(client, encode(nested), details="true")).json(),
            (await post(client, encode(flat), details="true")).json(),
            (
                await client.post(
                    "/forward",
                    content=encode_npy(signal),
                    headers={"Content-Type": "application/x-npy"},
                    params={**PATIENT, "details": "true"},
                )
            ).json(),
        ]
        for answer in answers:
            answer.pop("timing_ms")
        assert answers[0] == answers[1] == answers[2]


class TestDetails:
    async def test_adds_everything_that_led_to_the_answer(self, client: httpx.AsyncClient, ecg_body: bytes) -> None:
        answer = (await post(client, ecg_body, details="true")).json()
        assert list(answer) == [
            *NORMAL,
            "probabilities",
            "model",
            "quality",
            "warnings",
            "measurements",
            "timing_ms",
        ]
        assert list(answer["probabilities"]) == list(SUPERCLASSES)
        assert answer["model"]["version"] == "rate-1"
        assert answer["quality"]["overall"] == "accept"
        assert answer["measurements"]["heart_rate_bpm"] == pytest.approx(70, abs=3)
        assert set(answer["timing_ms"]) == {"queue", "decode", "prepare", "features", "model", "write", "total"}

    async def test_words_warnings_in_the_callers_language(self, client: httpx.AsyncClient, request_with: Body) -> None:
        messages = []
        for language in ("ru", "en"):
            response = await client.post(
                "/forward",
                content=request_with(),
                headers={**JSON, "Accept-Language": language},
                params={"details": "true"},
            )
            messages.append(next(one["message"] for one in response.json()["warnings"] if one["code"] == "resampled"))
        assert messages == [
            "частота дискретизации изменена с 100 на 500 Гц",
            "the sampling rate was changed from 100 to 500 Hz",
        ]

    async def test_says_in_server_timing_what_each_phase_took(self, client: httpx.AsyncClient, ecg_body: bytes) -> None:
        timing = (await post(client, ecg_body)).headers["server-timing"]
        assert [entry.split(";")[0] for entry in timing.split(", ")] == [
            "queue",
            "decode",
            "prepare",
            "features",
            "model",
            "write",
            "total",
        ]


class TestRefusesInvalidInput:
    @pytest.mark.parametrize("field", ["age", "sex", "height", "weight", "heart_axis", "ecg_signal"])
    async def test_refuses_a_missing_field_by_name(self, client: httpx.AsyncClient, field: str) -> None:
        response = await post(client, encode(without(make_request(), field)))
        assert response.status_code == 400
        assert response.json()["errors"] == [
            {"loc": ["body", field], "type": "missing", "msg": "обязательное поле отсутствует"}
        ]

    @pytest.mark.parametrize(
        ("overrides", "kind"),
        [
            ({"age": "55"}, "number_expected"),
            ({"age": None}, "number_expected"),
            ({"age": True}, "number_expected"),
            ({"age": -0.1}, "too_small"),
            ({"age": 120.5}, "too_large"),
            ({"sex": 2}, "too_large"),
            ({"sex": -1}, "too_small"),
            ({"sex": 0.5}, "integer_expected"),
            ({"sex": True}, "integer_expected"),
            ({"sex": "1"}, "integer_expected"),
            ({"height": 29}, "too_small"),
            ({"height": 273}, "too_large"),
            ({"weight": 0}, "too_small"),
            ({"weight": 701}, "too_large"),
            ({"heart_axis": "XYZ"}, "not_one_of"),
            ({"heart_axis": "mid"}, "not_one_of"),
            ({"heart_axis": "MID\0"}, "not_one_of"),
            ({"heart_axis": 1}, "not_one_of"),
            ({"heart_axis": ["MID"]}, "not_one_of"),
            ({"units": "kV"}, "not_one_of"),
            ({"sampling_rate_hz": 0}, "too_small"),
            ({"sampling_rate_hz": "500"}, "number_expected"),
            ({"leads": "I"}, "array_expected"),
            ({"leads": []}, "value_too_short"),
            ({"leads": [1] * 12}, "text_expected"),
            ({"leads": ["I"] * 100_000}, "text_expected"),
            ({"leads": {"I": 1}}, "array_expected"),
            ({"shape": [5000]}, "value_too_short"),
            ({"shape": [5000.0, 12]}, "integer_expected"),
        ],
    )
    async def test_refuses_a_wrong_value_by_field(
        self, client: httpx.AsyncClient, request_with: Body, overrides: dict[str, Any], kind: str
    ) -> None:
        response = await post(client, request_with(**overrides))
        (fault,) = response.json()["errors"][:1]
        assert response.status_code == 400
        assert fault["type"] == kind
        assert fault["loc"][1] == next(iter(overrides))

    @pytest.mark.parametrize(
        ("n_samples", "n_leads", "kind"),
        [
            (5000, 11, "wrong_lead_count"),
            (5000, 13, "wrong_lead_count"),
            (5000, 1, "wrong_lead_count"),
            (4999, 12, "wrong_sample_count"),
            (5001, 12, "wrong_sample_count"),
            (1, 12, "wrong_sample_count"),
        ],
    )
    async def test_refuses_another_shape(
        self, client: httpx.AsyncClient, n_samples: int, n_leads: int, kind: str
    ) -> None:
        response = await post(client, encode(make_request(np.zeros((n_samples, n_leads)) + 0.1)))
        assert response.status_code == 400
        assert response.json()["errors"][0]["type"] == kind

    async def test_names_the_lead_count_it_expected(self, client: httpx.AsyncClient) -> None:
        response = await post(client, encode(make_request(make_signal()[:, :11])))
        assert response.json()["detail"] == (
            "Неверный формат данных (ecg_signal): отведений должно быть 12, получено 11"
        )

    async def test_refuses_an_amplitude_that_is_no_ecg(self, client: httpx.AsyncClient) -> None:
        response = await post(client, encode(make_request(1000 * make_signal())))
        assert response.status_code == 400
        assert response.json()["errors"][0]["type"] == "implausible_amplitude"

    async def test_refuses_unknown_fields_and_names_the_known_ones(
        self, client: httpx.AsyncClient, request_with: Body
    ) -> None:
        response = await post(client, request_with(ivanov_ivan="secret"))
        assert response.status_code == 400
        assert response.json()["errors"][0]["type"] == "unknown_field"
        assert "heart_axis" in response.json()["errors"][0]["msg"]
        assert "ivanov" not in response.text

    async def test_never_echoes_what_was_sent(self, client: httpx.AsyncClient, request_with: Body) -> None:
        response = await post(client, request_with(age="canary", heart_axis="canary", sex=[["canary"]]))
        assert response.status_code == 400
        assert len(response.json()["errors"]) == 3
        assert "canary" not in response.text

    async def test_names_at_most_ten_faults(self, client: httpx.AsyncClient) -> None:
        body = encode({f"field{index}": index for index in range(100)})
        response = await post(client, body)
        assert len(response.json()["errors"]) == 10
        assert len(response.content) < 4096

    async def test_refuses_an_unreadable_details_flag(self, client: httpx.AsyncClient, request_with: Body) -> None:
        response = await post(client, request_with(), details="perhaps")
        assert response.status_code == 400
        assert response.json()["errors"][0]["loc"] == ["query", "details"]

    @pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "application/json5", ""])
    async def test_refuses_other_content_types(
        self, client: httpx.AsyncClient, ecg_body: bytes, content_type: str
    ) -> None:
        response = await client.post("/forward", content=ecg_body, headers={"Content-Type": content_type})
        assert response.status_code == 415
        assert response.headers["accept"] == (
            "application/json, application/x-npy, application/octet-stream, multipart/form-data"
        )
        assert response.json()["type"] == "/errors/unsupported-content-type"

    async def test_refuses_a_body_without_a_type(self, client: httpx.AsyncClient, ecg_body: bytes) -> None:
        assert (await client.post("/forward", content=ecg_body)).status_code == 415

    @pytest.mark.parametrize("encoding", ["deflate", "br", "zstd", "gzip, gzip", "identity, gzip"])
    async def test_refuses_bodies_encoded_otherwise_than_once_with_gzip(
        self, client: httpx.AsyncClient, encoding: str
    ) -> None:
        headers = {**JSON, "Content-Encoding": encoding}
        response = await client.post("/forward", content=b"\x1f\x8b" * 100, headers=headers)
        assert (response.status_code, response.headers["accept-encoding"]) == (415, "gzip, identity")
        assert "Content-Encoding" in response.json()["detail"]

    async def test_takes_null_for_what_may_be_left_out(self, client: httpx.AsyncClient, request_with: Body) -> None:
        body = request_with(units=None, shape=None, leads=None)
        response = await post(client, body)
        assert (response.status_code, response.json()) == (200, NORMAL)

    async def test_takes_a_sex_that_is_a_whole_number(self, client: httpx.AsyncClient, request_with: Body) -> None:
        assert (await post(client, request_with(sex=1.0))).status_code == 200
        assert (await last_record(client))["sex"] == 1

    async def test_takes_a_type_with_parameters(self, client: httpx.AsyncClient, request_with: Body) -> None:
        headers = {"Content-Type": "Application/JSON; charset=utf-8"}
        assert (await client.post("/forward", content=request_with(), headers=headers)).status_code == 200

    async def test_refuses_a_declared_size_above_the_cap(self, start: StartClient, ecg_body: bytes) -> None:
        client = await start(max_body_bytes=100_000)
        response = await post(client, ecg_body)
        assert response.status_code == 413
        assert response.json()["type"] == "/errors/body-too-large"

    async def test_refuses_an_undeclared_size_above_the_cap(self, start: StartClient, ecg_body: bytes) -> None:
        client = await start(max_body_bytes=100_000)

        async def pieces() -> Any:
            for begin in range(0, len(ecg_body), 10_000):
                yield ecg_body[begin : begin + 10_000]

        response = await client.post("/forward", content=pieces(), headers=JSON)
        assert response.status_code == 413


class TestRefusesWhatTheModelCannotProcess:
    async def test_answers_the_documents_403_for_a_flat_signal(self, client: httpx.AsyncClient) -> None:
        response = await post(client, encode(make_request(np.zeros((5000, 12)))))
        assert response.status_code == 403
        assert response.json()["detail"] == "Модель не смогла обработать данные"
        assert response.json()["errors"] == [
            {"loc": ["body", "ecg_signal"], "type": "flat_signal", "msg": "все отведения плоские"}
        ]

    async def test_answers_in_english_on_request(self, client: httpx.AsyncClient) -> None:
        response = await client.post(
            "/forward",
            content=encode(make_request(np.zeros((5000, 12)))),
            headers={**JSON, "Accept-Language": "en-US,en;q=0.9,ru;q=0.5"},
        )
        assert response.json()["detail"] == "The model could not process the data"
        assert response.headers["content-language"] == "en"


class TestSurvivesItsModel:
    @pytest.fixture
    async def broken(self, start: StartClient) -> httpx.AsyncClient:
        """A client of a service whose model fails on fast hearts and answers NaN on slow ones."""

        class Broken(RateClassifier):
            def classify(self, prepared: PreparedECG) -> Classification:
                result = super().classify(prepared)
                if result.diagnosis.class_name == "S":
                    raise ValueError(f"canary {prepared.patient.age_years}")
                if result.measurements.heart_rate_bpm < 55:
                    probabilities = dict.fromkeys(SUPERCLASSES, float("nan"))
                    return replace(result, diagnosis=replace(result.diagnosis, probabilities=probabilities))
                return result

        return await start(load_model=lambda _path: Broken())

    @pytest.mark.parametrize("heart_rate_bpm", [130, 45])
    async def test_answers_403_when_it_fails(
        self, broken: httpx.AsyncClient, heart_rate_bpm: float, capsys: pytest.CaptureFixture[str]
    ) -> None:
        response = await post(broken, encode(make_request(make_signal(heart_rate_bpm=heart_rate_bpm))))
        assert response.status_code == 403
        assert response.json()["detail"] == "Модель не смогла обработать данные"
        assert "errors" not in response.json()
        assert (await last_record(broken))["status_code"] == 403
        assert "canary" not in "".join(capsys.readouterr())

    async def test_answers_the_rest_of_a_batch(self, broken: httpx.AsyncClient) -> None:
        samples = [make_request(make_signal(heart_rate_bpm=rate)) for rate in (70, 130)]
        response = await broken.post("/forward/batch", content=encode({"samples": samples}), headers=JSON)
        assert response.json() == {
            "predictions": [NORMAL, None],
            "errors": [{"index": 1, "detail": "Модель не смогла обработать данные"}],
        }


class TestAnswersLater:
    async def test_answers_503_without_a_model(self, start: StartClient, request_with: Body) -> None:
        client = await start(load_model=load_nothing)
        response = await post(client, request_with())
        assert response.status_code == 503
        assert response.json()["type"] == "/errors/model-not-loaded"
        assert int(response.headers["retry-after"]) > 0

    async def test_answers_503_when_the_history_cannot_be_written(
        self, client: httpx.AsyncClient, request_with: Body, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from app.core.exceptions import StorageUnavailable  # noqa: PLC0415
        from app.database.repositories.history import HistoryRepository  # noqa: PLC0415

        async def fail(*_args: object) -> None:
            raise StorageUnavailable

        monkeypatch.setattr(HistoryRepository, "add", fail)
        response = await post(client, request_with())
        assert response.status_code == 503
        assert response.json()["type"] == "/errors/storage-unavailable"
        assert "class_name" not in response.text

    async def test_answers_503_when_the_queue_is_full(self, start: StartClient, request_with: Body) -> None:
        client = await start(compute_queue_size=1)
        state = client.app.state.service  # type: ignore[attr-defined]
        with state.engine.admit():
            refused = await post(client, request_with())
        accepted = await post(client, request_with())
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert accepted.status_code == 200

    async def test_answers_503_when_bodies_take_all_the_room(self, start: StartClient, ecg_body: bytes) -> None:
        client = await start(max_buffered_bytes=200_000)
        response = await post(client, ecg_body)
        assert response.status_code == 503
        assert response.json()["type"] == "/errors/overloaded"
        small = encode(make_request(make_signal()[:2500:5], sampling_rate_hz=100))
        assert (await post(client, small)).status_code == 200


class TestRecordsEveryAttempt:
    async def test_records_a_success_with_all_that_is_known(self, client: httpx.AsyncClient, ecg_body: bytes) -> None:
        await post(client, ecg_body)
        record = await last_record(client)
        assert record.pop("id") == 1
        assert record.pop("created_at")
        assert record.pop("processing_time_ms") > 0
        assert record == {
            "age": 55.0,
            "sex": 1,
            "height": 175.0,
            "weight": 80.0,
            "heart_axis": "MID",
            "predicted_class_index": 0,
            "predicted_class_name": "N",
            "predicted_class_description": "Normal ECG",
            "success": True,
            "error_message": None,
            "request_type": "single",
            "model_version": "rate-1",
            "source": "json",
            "status_code": 200,
            "input_bytes": len(ecg_body),
        }

    async def test_records_a_refusal_with_what_could_be_read(self, client: httpx.AsyncClient) -> None:
        await post(client, encode(make_request(make_signal(), age=300, heart_axis="LAD")))
        record = await last_record(client)
        assert (record["status_code"], record["success"]) == (400, False)
        assert (record["age"], record["sex"], record["heart_axis"]) == (None, 1, "LAD")
        assert record["error_message"] == "Неверный формат данных (age): значение больше 120"
        assert record["predicted_class_index"] is None

    async def test_records_an_unprocessable_signal_with_the_reason(self, client: httpx.AsyncClient) -> None:
        await post(client, encode(make_request(np.zeros((5000, 12)))))
        record = await last_record(client)
        assert (record["status_code"], record["age"]) == (403, 55.0)
        assert record["error_message"] == "Модель не смогла обработать данные (ecg_signal): все отведения плоские"

    async def test_records_what_was_not_even_json(self, client: httpx.AsyncClient) -> None:
        await post(client, b"\xff\xfe nonsense")
        record = await last_record(client)
        assert (record["status_code"], record["input_bytes"], record["age"]) == (400, 11, None)

    async def test_records_a_wrong_type_and_a_missing_model(self, start: StartClient, request_with: Body) -> None:
        client = await start(load_model=load_nothing)
        await client.post("/forward", content=b"x", headers={"Content-Type": "text/plain"})
        await post(client, request_with())
        records = (await client.get("/history")).json()["records"]
        assert [(record["status_code"], record["source"]) for record in records] == [(503, "json"), (415, "unknown")]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_refuses_other_methods(client: httpx.AsyncClient, method: str) -> None:
    response = await client.request(method, "/forward")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert response.json()["type"] == "/errors/method-not-allowed"


@pytest.mark.parametrize(("stated", "status"), [("600000", 200), ("600001", 400), ("1e3", 400), ("-1", 400), ("", 400)])
async def test_a_deadline_of_the_caller_is_kept_to_or_refused(
    client: httpx.AsyncClient, request_with: Callable[..., bytes], stated: str, status: int
) -> None:
    headers = {**JSON, "X-Request-Timeout-Ms": stated}
    response = await client.post("/forward", content=request_with(), headers=headers)
    assert response.status_code == status
    if status == 400:
        assert response.json()["errors"][0]["loc"] == ["header", "x-request-timeout-ms"]
