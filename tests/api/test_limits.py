"""What is refused for the sake of everybody else, and what the service says of its own state."""

import json
import shutil
from collections.abc import Callable
from types import SimpleNamespace

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message

from app.api.v1.endpoints import prediction
from app.api.v2.endpoints import inference
from app.application import DIRECT_ROUTES
from tests.fixtures.app import JSON, StartClient

ROOT = "http://testserver"


async def post(client: httpx.AsyncClient, body: bytes, **headers: str) -> httpx.Response:
    return await client.post("/forward", content=body, headers={**JSON, **headers})


class TestDeadline:
    @pytest.mark.parametrize("stated", ["soon", "-1", "1.5", "", "9" * 30, "١٠"])
    async def test_must_be_a_number_of_milliseconds(
        self, client: httpx.AsyncClient, ecg_body: bytes, stated: str
    ) -> None:
        headers = [(name.encode(), value.encode()) for name, value in {**JSON, "X-Request-Timeout-Ms": stated}.items()]
        response = await client.post("/forward", content=ecg_body, headers=headers)
        assert response.status_code == 400
        assert response.json()["errors"][0]["loc"] == ["header", "x-request-timeout-ms"]

    async def test_that_has_passed_is_503_at_once(self, client: httpx.AsyncClient, ecg_body: bytes) -> None:
        response = await post(client, ecg_body, **{"X-Request-Timeout-Ms": "0"})
        assert (response.status_code, response.json()["type"]) == (503, "/errors/deadline-exceeded")
        assert response.headers["retry-after"] == "1"

    async def test_that_is_far_away_changes_nothing(self, client: httpx.AsyncClient, ecg_body: bytes) -> None:
        assert (await post(client, ecg_body, **{"X-Request-Timeout-Ms": "600000"})).status_code == 200


class TestCallerLimit:
    async def test_is_429_and_says_when_to_come_back(self, start: StartClient, ecg_body: bytes) -> None:
        client = await start(caller_limit_per_minute=12)
        statuses = [(await post(client, ecg_body)).status_code for _ in range(3)]
        refused = await post(client, ecg_body)
        assert statuses == [200, 200, 429]
        assert refused.json()["type"] == "/errors/too-many-requests"
        assert 1 <= int(refused.headers["retry-after"]) <= 5
        assert refused.headers["x-content-type-options"] == "nosniff"

    async def test_does_not_count_probes(self, start: StartClient) -> None:
        client = await start(caller_limit_per_minute=1)
        for path in ("/health/live", "/health/ready", "/api/v1/health", "/v2/health/live"):
            statuses = {(await client.get(f"{ROOT}{path}")).status_code for _ in range(5)}
            assert statuses == {200}

    async def test_is_off_by_default(self, client: httpx.AsyncClient) -> None:
        assert {(await client.get("/history")).status_code for _ in range(50)} == {200}


class TestReadiness:
    async def failing(self, client: httpx.AsyncClient) -> set[str]:
        response = await client.get(f"{ROOT}/health/ready")
        failing = {name for name, holds in response.json()["checks"].items() if not holds}
        assert response.status_code == (503 if failing else 200)
        return failing

    async def test_holds_for_a_service_that_is_well(self, client: httpx.AsyncClient) -> None:
        assert await self.failing(client) == set()

    async def test_needs_room_on_the_disk(self, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=1_000_000))
        assert await self.failing(client) == {"disk_has_room"}

    async def test_needs_an_event_loop_that_keeps_up(
        self, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch = client.app.state.service.loop_watch  # type: ignore[attr-defined]
        monkeypatch.setattr(type(watch), "lag_s", 5.0)
        assert await self.failing(client) == {"loop_keeps_up"}

    async def test_ends_when_the_process_is_told_to_stop(self, client: httpx.AsyncClient) -> None:
        client.app.state.service.draining = True  # type: ignore[attr-defined]
        assert await self.failing(client) == {"not_draining"}


class TestTheShortWay:
    @pytest.mark.parametrize("endpoint", [prediction.forward, prediction.forward_batch])
    async def test_leads_to_the_function_that_the_schema_documents(self, endpoint: Callable[..., object]) -> None:
        routes = [route for route in prediction.router.routes if isinstance(route, APIRoute)]
        (path,) = [route.path for route in routes if route.endpoint is endpoint]
        assert DIRECT_ROUTES["POST", f"/api/v1{path}"] is endpoint

    async def test_knows_no_address_that_the_router_does_not(self) -> None:
        routes = [*prediction.router.routes, *inference.router.routes]
        paths = {route.path_format for route in routes if isinstance(route, APIRoute)}
        taken = {path.removeprefix("/api/v1").replace("models/ecg", "models/{name}") for _, path in DIRECT_ROUTES}
        assert taken <= paths

    async def test_leaves_other_methods_to_the_router(self, client: httpx.AsyncClient) -> None:
        response = await client.get("/forward")
        assert (response.status_code, response.headers["allow"]) == (405, "POST")


async def hang_up(app: ASGIApp, path: str) -> tuple[int, bytes]:
    """Send half a body and go; return what would have been answered."""
    half: Message = {"type": "http.request", "body": b"{", "more_body": True}
    incoming = iter([half, {"type": "http.disconnect"}])
    answer: list[Message] = []

    async def receive() -> Message:
        return next(incoming)

    async def send(message: Message) -> None:
        answer.append(message)

    head = {"type": "http", "method": "POST", "path": path, "query_string": b"", "scheme": "http"}
    await app({**head, "headers": [(b"content-type", b"application/json")], "client": ("a", 1)}, receive, send)
    return answer[0]["status"], answer[1]["body"]


@pytest.mark.parametrize("path", ["/api/v1/forward", "/v2/models/ecg/infer", "/v2/models/ecg/versions/rate-1/infer"])
async def test_a_caller_who_hangs_up_while_sending_is_noted_alike_on_every_way(
    client: httpx.AsyncClient, path: str
) -> None:
    status, body = await hang_up(client.app, path)  # type: ignore[attr-defined]
    assert (status, json.loads(body)["type"]) == (499, "/errors/caller-gone")
