"""POST /forward/batch."""

from typing import Any

import httpx
import numpy as np
import pytest

from tests.fixtures.app import JSON, StartClient, load_nothing
from tests.fixtures.ecg import encode, make_request, make_signal, without

NORMAL = {"class_index": 0, "class_name": "N", "class_description": "Normal ECG"}
STTC = {"class_index": 1, "class_name": "S", "class_description": "STTC"}


def sample(heart_rate_bpm: float = 70, **overrides: Any) -> dict[str, Any]:
    """Return a small sample: 5 s at 100 Hz."""
    signal = make_signal(heart_rate_bpm=heart_rate_bpm)[:2500:5]
    return make_request(signal, **{"sampling_rate_hz": 100, **overrides})


def flat() -> dict[str, Any]:
    return make_request(np.zeros((500, 12)), sampling_rate_hz=100)


async def post(client: httpx.AsyncClient, samples: Any, **params: Any) -> httpx.Response:
    return await client.post("/forward/batch", content=encode({"samples": samples}), headers=JSON, params=params)


async def history(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Return the records in the order they were made."""
    return list(reversed((await client.get("/history", params={"limit": 1000})).json()["records"]))


class TestClassifiesABatch:
    async def test_answers_in_order_with_the_documents_body(self, client: httpx.AsyncClient) -> None:
        response = await post(client, [sample(), sample(130), sample()])
        assert response.status_code == 200
        assert response.json() == {"predictions": [NORMAL, STTC, NORMAL]}

    async def test_answers_each_sample_as_if_it_came_alone(self, client: httpx.AsyncClient) -> None:
        single = await client.post("/forward", content=encode(sample(130)), headers=JSON)
        assert (await post(client, [sample(130)])).json()["predictions"] == [single.json()]

    async def test_takes_256_samples(self, client: httpx.AsyncClient) -> None:
        response = await post(client, [sample()] * 256)
        assert response.json()["predictions"] == [NORMAL] * 256
        assert (await client.get("/history")).json()["total"] == 256

    async def test_gives_details_of_each(self, client: httpx.AsyncClient) -> None:
        predictions = (await post(client, [sample(), sample()], details="true")).json()["predictions"]
        assert all(prediction["quality"]["overall"] == "accept" for prediction in predictions)

    async def test_records_a_row_a_sample(self, client: httpx.AsyncClient) -> None:
        await post(client, [sample(age=30), sample(130, age=40)])
        rows = await history(client)
        assert [(row["age"], row["predicted_class_name"], row["request_type"]) for row in rows] == [
            (30.0, "N", "batch"),
            (40.0, "S", "batch"),
        ]
        assert all(0 < row["input_bytes"] < len(encode(sample())) + 10 for row in rows)


class TestLeavesNullForWhatTheModelCannotProcess:
    async def test_names_the_index_beside(self, client: httpx.AsyncClient) -> None:
        response = await post(client, [sample(), flat(), sample(130)])
        assert response.status_code == 200
        assert response.json() == {
            "predictions": [NORMAL, None, STTC],
            "errors": [
                {
                    "index": 1,
                    "detail": "Модель не смогла обработать данные (samples[1].ecg_signal): все отведения плоские",
                }
            ],
        }

    async def test_answers_403_when_it_is_all_of_them(self, client: httpx.AsyncClient) -> None:
        response = await post(client, [flat(), flat()])
        assert response.status_code == 403
        assert response.json()["detail"] == "Модель не смогла обработать данные"
        assert [row["status_code"] for row in await history(client)] == [403, 403]

    async def test_records_each_with_its_own_status(self, client: httpx.AsyncClient) -> None:
        await post(client, [sample(), flat()])
        assert [(row["status_code"], row["success"]) for row in await history(client)] == [(200, True), (403, False)]


class TestRefusesABatchWithAnInvalidSample:
    async def test_names_its_index_and_predicts_nothing(self, client: httpx.AsyncClient) -> None:
        response = await post(client, [sample(), sample(age=200), sample()])
        assert response.status_code == 400
        assert response.json()["detail"] == "Неверный формат данных (samples[1].age): значение больше 120"
        assert response.json()["errors"][0]["loc"] == ["body", "samples", 1, "age"]
        assert "predictions" not in response.json()

    async def test_records_every_sample_as_refused(self, client: httpx.AsyncClient) -> None:
        await post(client, [sample(age=30), sample(age=200), flat()])
        rows = await history(client)
        assert [(row["age"], row["status_code"], row["predicted_class_name"]) for row in rows] == [
            (30.0, 400, None),
            (None, 400, None),
            (55.0, 400, None),
        ]

    async def test_names_a_signal_that_breaks_the_contract(self, client: httpx.AsyncClient) -> None:
        response = await post(client, [sample(), sample(), make_request(make_signal()[:, :11])])
        assert response.json()["errors"][0]["loc"] == ["body", "samples", 2, "ecg_signal"]
        assert response.json()["errors"][0]["type"] == "wrong_lead_count"

    async def test_names_a_sample_without_a_signal(self, client: httpx.AsyncClient) -> None:
        response = await post(client, [sample(), without(sample(), "ecg_signal")])
        assert response.json()["errors"] == [
            {
                "loc": ["body", "samples", 1, "ecg_signal"],
                "type": "missing",
                "msg": "обязательное поле отсутствует",
            }
        ]

    @pytest.mark.parametrize("stranger", [None, 1, "x", [], [{}], True])
    async def test_names_a_sample_that_is_no_object(self, client: httpx.AsyncClient, stranger: object) -> None:
        response = await post(client, [sample(), stranger])
        assert response.status_code == 400
        assert response.json()["errors"][0]["loc"] == ["body", "samples", 1]
        assert response.json()["errors"][0]["type"] == "not_an_object"


class TestRefusesWhatIsNoBatch:
    @pytest.mark.parametrize("count", [0, 257])
    async def test_refuses_too_few_and_too_many(self, client: httpx.AsyncClient, count: int) -> None:
        response = await post(client, [{}] * count)
        assert response.status_code == 400
        assert response.json()["errors"] == [
            {
                "loc": ["body", "samples"],
                "type": "samples_count",
                "msg": "в запросе должно быть от 1 до 256 ЭКГ",
            }
        ]

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (b"", "body_empty"),
            (b"{}", "missing"),
            (b"[]", "not_an_object"),
            (b"null", "not_an_object"),
            (b'{"samples":{}}', "samples_invalid"),
            (b'{"samples":[{}],"more":1}', "unknown_field"),
            (b'{"samples":[{}],"samples":[{}]}', "duplicate_key"),
            (b'{"samples":[{}]', "json_invalid"),
            (b'{"samples":[{}]}}', "json_invalid"),
            (b'{"samples":[{} {}]}', "json_invalid"),
            (b'{"samples":[NaN]}', "json_nan"),
            (b"\xef\xbb\xbf" + b'{"samples":[{}]}', "json_bom"),
            ('{"samples":[{}]}'.encode("utf-16"), "json_invalid"),
            (b"{" * 200_000, "json_invalid"),
            (b'{"samples":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "json_too_deep"),
        ],
    )
    async def test_says_what_is_wrong_with_the_outside(self, client: httpx.AsyncClient, body: bytes, kind: str) -> None:
        response = await client.post("/forward/batch", content=body, headers=JSON)
        assert response.status_code == 400
        assert response.json()["errors"][0]["type"] == kind
        assert [row["request_type"] for row in await history(client)] == ["batch"]

    async def test_refuses_a_single_request(self, client: httpx.AsyncClient) -> None:
        response = await client.post("/forward/batch", content=encode(sample()), headers=JSON)
        assert response.json()["errors"][0]["type"] == "unknown_field"

    async def test_refuses_another_content_type(self, client: httpx.AsyncClient) -> None:
        headers = {"Content-Type": "application/x-npy"}
        response = await client.post("/forward/batch", content=b"x", headers=headers)
        assert (response.status_code, response.headers["accept"]) == (415, "application/json")

    async def test_refuses_a_body_above_the_cap(self, start: StartClient) -> None:
        client = await start(max_batch_body_bytes=10_000)
        assert (await post(client, [sample()])).status_code == 413

    async def test_answers_503_without_a_model(self, start: StartClient) -> None:
        client = await start(load_model=load_nothing)
        assert (await post(client, [sample()])).status_code == 503


async def test_braces_and_quotes_in_texts_do_not_confuse_the_cutting(client: httpx.AsyncClient) -> None:
    nasty = '{"samples":[{"heart_axis":"}{\\"]\\\\","age":1},{"heart_axis":"{"}]}'
    response = await client.post("/forward/batch", content=nasty, headers=JSON)
    places = {tuple(fault["loc"][:4]) for fault in response.json()["errors"]}
    assert response.status_code == 400
    assert ("body", "samples", 0, "heart_axis") in places
