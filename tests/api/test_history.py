"""GET and DELETE /history."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.fixtures.app import JSON, StartClient
from tests.fixtures.auth import REFUSED_TOKENS

FIELDS = [
    "id",
    "created_at",
    "age",
    "sex",
    "height",
    "weight",
    "heart_axis",
    "predicted_class_index",
    "predicted_class_name",
    "predicted_class_description",
    "success",
    "error_message",
    "request_type",
    "processing_time_ms",
    "model_version",
    "source",
    "status_code",
    "input_bytes",
]

Body = Callable[..., bytes]
Headers = dict[str, str]


async def fill(client: httpx.AsyncClient, request_with: Body, count: int) -> None:
    """Record ECGs of people aged 1, 2, 3, ..."""
    for age in range(1, count + 1):
        await client.post("/forward", content=request_with(age=age), headers=JSON)


class TestReading:
    async def test_is_empty_at_first(self, client: httpx.AsyncClient) -> None:
        response = await client.get("/history")
        assert response.status_code == 200
        assert response.json() == {"total": 0, "records": []}

    async def test_lists_the_newest_first_with_the_documents_fields_in_order(
        self, client: httpx.AsyncClient, request_with: Body
    ) -> None:
        await fill(client, request_with, 3)
        page = (await client.get("/history")).json()
        assert page["total"] == 3
        assert [record["age"] for record in page["records"]] == [3.0, 2.0, 1.0]
        assert list(page["records"][0]) == FIELDS

    async def test_writes_moments_as_the_document_does(self, client: httpx.AsyncClient, request_with: Body) -> None:
        await fill(client, request_with, 1)
        moment = (await client.get("/history")).json()["records"][0]["created_at"]
        assert len(moment) == len("2025-12-14T10:30:00")
        assert moment[10] == "T"

    async def test_gives_a_page(self, client: httpx.AsyncClient, request_with: Body) -> None:
        await fill(client, request_with, 5)
        page = (await client.get("/history", params={"limit": 2, "offset": 1})).json()
        assert page["total"] == 5
        assert [record["age"] for record in page["records"]] == [4.0, 3.0]

    async def test_gives_nothing_beyond_the_end(self, client: httpx.AsyncClient, request_with: Body) -> None:
        await fill(client, request_with, 1)
        page = (await client.get("/history", params={"offset": 10**12})).json()
        assert page == {"total": 1, "records": []}

    @pytest.mark.parametrize(
        ("params", "kind"),
        [
            ({"limit": 0}, "too_small"),
            ({"limit": 1001}, "too_large"),
            ({"limit": -1}, "too_small"),
            ({"limit": "ten"}, "integer_expected"),
            ({"limit": "9" * 400}, "too_large"),
            ({"limit": "9" * 5000}, "integer_expected"),
            ({"limit": "1.5"}, "integer_expected"),
            ({"offset": -1}, "too_small"),
            ({"offset": 2**63}, "too_large"),
            ({"offset": "\0"}, "integer_expected"),
            ({"offset": "\ud800".encode("utf-8", "surrogatepass")}, "integer_expected"),
        ],
    )
    async def test_refuses_a_page_that_cannot_be(
        self, client: httpx.AsyncClient, params: dict[str, Any], kind: str
    ) -> None:
        response = await client.get("/history", params=params)
        assert response.status_code == 400
        assert response.json()["errors"][0]["loc"] == ["query", next(iter(params))]
        assert response.json()["errors"][0]["type"] == kind


class TestReadingIsForAdministratorsWhereItIsClosed:
    async def test_needs_no_token_by_default(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/history")).status_code == 200

    @pytest.mark.parametrize("headers", REFUSED_TOKENS.values(), ids=REFUSED_TOKENS)
    async def test_refuses_strangers(self, start: StartClient, headers: Callable[[], Headers]) -> None:
        client = await start(history_access="admin")
        response = await client.get("/history", headers=headers())
        assert response.status_code == 401
        assert response.json()["detail"] == "Could not validate credentials"

    async def test_refuses_other_roles(self, start: StartClient, user_headers: Headers) -> None:
        client = await start(history_access="admin")
        assert (await client.get("/history", headers=user_headers)).status_code == 403

    async def test_lets_administrators_in(self, start: StartClient, admin_headers: Headers) -> None:
        client = await start(history_access="admin")
        assert (await client.get("/history", headers=admin_headers)).status_code == 200

    async def test_is_closed_in_production(self, start: StartClient) -> None:
        client = await start(environment="production", jwt_secret_key="k" * 32, admin_password="correct horse battery")
        assert (await client.get("/history")).status_code == 401


class TestDeleting:
    async def test_erases_everything_and_says_how_much(
        self, client: httpx.AsyncClient, request_with: Body, admin_headers: Headers
    ) -> None:
        await fill(client, request_with, 3)
        response = await client.delete("/history", headers=admin_headers)
        assert response.status_code == 200
        assert response.json() == {"message": "История успешно удалена", "deleted_count": 3}
        assert (await client.get("/history")).json() == {"total": 0, "records": []}

    async def test_erases_nothing_twice(self, client: httpx.AsyncClient, admin_headers: Headers) -> None:
        response = await client.delete("/history", headers={**admin_headers, "Accept-Language": "en"})
        assert response.json() == {"message": "The history was deleted", "deleted_count": 0}

    async def test_never_gives_a_number_out_again(
        self, client: httpx.AsyncClient, request_with: Body, admin_headers: Headers
    ) -> None:
        await fill(client, request_with, 2)
        await client.delete("/history", headers=admin_headers)
        await fill(client, request_with, 1)
        assert (await client.get("/history")).json()["records"][0]["id"] == 3

    @pytest.mark.parametrize("headers", REFUSED_TOKENS.values(), ids=REFUSED_TOKENS)
    async def test_refuses_strangers_and_erases_nothing(
        self, client: httpx.AsyncClient, request_with: Body, headers: Callable[[], Headers]
    ) -> None:
        await fill(client, request_with, 1)
        response = await client.delete("/history", headers=headers())
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert (await client.get("/history")).json()["total"] == 1

    async def test_refuses_an_expired_token(self, client: httpx.AsyncClient, expired_headers: Headers) -> None:
        response = await client.delete("/history", headers=expired_headers)
        assert (response.status_code, response.json()["detail"]) == (401, "Token has expired")

    async def test_refuses_other_roles(
        self, client: httpx.AsyncClient, request_with: Body, user_headers: Headers
    ) -> None:
        await fill(client, request_with, 1)
        response = await client.delete("/history", headers=user_headers)
        assert (response.status_code, response.json()["detail"]) == (403, "Требуются права администратора")
        assert (await client.get("/history")).json()["total"] == 1
