"""GET /stats."""

from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from tests.fixtures.app import JSON
from tests.fixtures.auth import REFUSED_TOKENS
from tests.fixtures.ecg import encode, make_request, make_signal

Body = Callable[..., bytes]
Headers = dict[str, str]

NO_SPREAD = {"mean": None, "min": None, "max": None, "std": None}
EMPTY = {
    "total_requests": 0,
    "successful_requests": 0,
    "failed_requests": 0,
    "processing_time": {
        "mean_ms": None,
        "p50_ms": None,
        "p95_ms": None,
        "p99_ms": None,
        "min_ms": None,
        "max_ms": None,
    },
    "input_stats": {
        "age": NO_SPREAD,
        "height": NO_SPREAD,
        "weight": NO_SPREAD,
        "sex_distribution": {},
        "heart_axis_distribution": {},
    },
    "class_distribution": {},
    "average_input_bytes": None,
    "average_image_width": None,
    "average_image_height": None,
}


async def read(client: httpx.AsyncClient, headers: Headers, **params: Any) -> dict[str, Any]:
    response = await client.get("/stats", headers=headers, params=params)
    assert response.status_code == 200
    return dict(response.json())


class TestSummarises:
    async def test_gives_zeros_and_nulls_for_an_empty_history(
        self, client: httpx.AsyncClient, admin_headers: Headers
    ) -> None:
        assert await read(client, admin_headers) == EMPTY

    async def test_counts_inputs_classes_and_failures(
        self, client: httpx.AsyncClient, admin_headers: Headers, request_with: Body
    ) -> None:
        bodies = [
            request_with(age=20, sex=0, heart_axis="LAD"),
            request_with(age=40, sex=1),
            encode(make_request(make_signal(heart_rate_bpm=130)[:2500:5], sampling_rate_hz=100, age=60)),
            encode(make_request(np.zeros((500, 12)), sampling_rate_hz=100, age=80)),
        ]
        for body in bodies:
            await client.post("/forward", content=body, headers=JSON)
        stats = await read(client, admin_headers)
        assert list(stats) == list(EMPTY)
        assert (stats["total_requests"], stats["successful_requests"], stats["failed_requests"]) == (4, 3, 1)
        assert stats["input_stats"]["age"] == {
            "mean": 50.0,
            "min": 20.0,
            "max": 80.0,
            "std": pytest.approx(500**0.5),
        }
        assert stats["input_stats"]["sex_distribution"] == {"0": 1, "1": 3}
        assert stats["input_stats"]["heart_axis_distribution"] == {"MID": 3, "LAD": 1}
        assert stats["class_distribution"] == {"N": 2, "S": 1}
        assert stats["average_input_bytes"] == pytest.approx(sum(map(len, bodies)) / 4)
        timing = stats["processing_time"]
        assert 0 < timing["min_ms"] <= timing["p50_ms"] <= timing["p95_ms"] <= timing["p99_ms"] <= timing["max_ms"]

    async def test_filters_by_time(self, client: httpx.AsyncClient, admin_headers: Headers, request_with: Body) -> None:
        await client.post("/forward", content=request_with(), headers=JSON)
        assert (await read(client, admin_headers, since="2020-01-01T00:00:00"))["total_requests"] == 1
        assert await read(client, admin_headers, until="2020-01-01T00:00:00Z") == EMPTY
        assert await read(client, admin_headers, since="2999-01-01T00:00:00+03:00") == EMPTY

    @pytest.mark.parametrize(
        "value", ["yesterday", "2026-13-01T00:00:00", "", "NaN", "9" * 5000, "0.5", "-1", "1e9", "1700000000"]
    )
    async def test_refuses_what_is_no_moment(
        self, client: httpx.AsyncClient, admin_headers: Headers, value: str
    ) -> None:
        response = await client.get("/stats", headers=admin_headers, params={"since": value})
        assert response.status_code == 400
        assert response.json()["errors"][0]["loc"] == ["query", "since"]

    @pytest.mark.parametrize("value", ["1e400", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "-1e30"])
    async def test_refuses_moments_beyond_the_calendar(
        self, client: httpx.AsyncClient, admin_headers: Headers, value: str
    ) -> None:
        response = await client.get("/stats", headers=admin_headers, params={"until": value})
        assert response.status_code == 400


class TestIsForAdministrators:
    @pytest.mark.parametrize("headers", REFUSED_TOKENS.values(), ids=REFUSED_TOKENS)
    async def test_refuses_strangers(self, client: httpx.AsyncClient, headers: Callable[[], Headers]) -> None:
        response = await client.get("/stats", headers=headers())
        assert response.status_code == 401
        assert response.json()["detail"] == "Could not validate credentials"

    async def test_refuses_an_expired_token(self, client: httpx.AsyncClient, expired_headers: Headers) -> None:
        response = await client.get("/stats", headers=expired_headers)
        assert (response.status_code, response.json()["detail"]) == (401, "Token has expired")

    async def test_refuses_other_roles(self, client: httpx.AsyncClient, user_headers: Headers) -> None:
        response = await client.get("/stats", headers=user_headers)
        assert (response.status_code, response.json()["detail"]) == (403, "Требуются права администратора")
