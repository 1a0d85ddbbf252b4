"""What all answers have in common: ids, headers, errors, and the addresses outside the versioned API."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from app.core.exceptions import ServiceError
from app.core.messages import describe_error
from tests.fixtures.app import JSON, StartClient, load_nothing

ROOT = "http://testserver"
HTML = {"Accept": "text/html,application/xhtml+xml"}


class TestEveryAnswer:
    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/api/v1/health", 200),
            ("GET", "/api/v1/nothing", 404),
            ("POST", "/api/v1/health", 405),
            ("GET", "/api/v1/stats", 401),
            ("POST", "/api/v1/forward", 415),
            ("GET", "/", 200),
            ("GET", "/docs", 200),
        ],
    )
    async def test_carries_an_id_timing_and_security_headers(
        self, client: httpx.AsyncClient, method: str, path: str, status: int
    ) -> None:
        response = await client.request(method, ROOT + path)
        assert response.status_code == status
        assert len(response.headers["x-request-id"]) == 32
        assert "total;dur=" in response.headers["server-timing"]
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
        assert "server" not in response.headers

    async def test_keeps_a_sane_request_id(self, client: httpx.AsyncClient) -> None:
        response = await client.get("/health", headers={"X-Request-ID": "trace-7.a_B"})
        assert response.headers["x-request-id"] == "trace-7.a_B"

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("/api/v1/health", 200),
            ("/api/v1/history", 200),
            ("/api/v1/stats", 401),
            ("/api/v1/nothing", 404),
            ("/api/v1/forward", 405),
            ("/", 200),
            ("/docs", 200),
            ("/openapi.json", 200),
            ("/docs/assets/swagger-ui.css", 200),
        ],
    )
    async def test_to_head_is_that_to_get_without_a_body(
        self, client: httpx.AsyncClient, path: str, status: int
    ) -> None:
        head, get = await client.head(ROOT + path), await client.get(ROOT + path)
        assert (head.status_code, head.content) == (status, b"")
        assert head.headers["content-type"] == get.headers["content-type"]
        assert head.headers["content-length"] == get.headers["content-length"]
        assert len(head.headers["x-request-id"]) == 32

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("PUT", "/api/v1/history", {"HEAD", "GET", "DELETE"}),
            ("POST", "/api/v1/health", {"HEAD", "GET"}),
            ("GET", "/api/v1/forward", {"POST"}),
            ("HEAD", "/api/v1/forward", {"POST"}),
            ("DELETE", "/", {"HEAD", "GET"}),
        ],
    )
    async def test_of_405_names_every_method_of_the_address(
        self, client: httpx.AsyncClient, method: str, path: str, allowed: set[str]
    ) -> None:
        response = await client.request(method, ROOT + path)
        assert response.status_code == 405
        assert set(response.headers["allow"].split(", ")) == allowed

    @pytest.mark.parametrize("offered", ["", "a b", "x" * 65, "<script>", "né", "a\tb", "../../etc"])
    async def test_replaces_any_other_request_id(self, client: httpx.AsyncClient, offered: str) -> None:
        response = await client.get("/health", headers={b"X-Request-ID": offered.encode()})
        assert response.headers["x-request-id"] != offered
        assert len(response.headers["x-request-id"]) == 32

    async def test_says_strict_transport_only_under_https(self, client: httpx.AsyncClient) -> None:
        plain = await client.get("http://testserver/api/v1/health")
        secure = await client.get("https://testserver/api/v1/health")
        assert "strict-transport-security" not in plain.headers
        assert secure.headers["strict-transport-security"] == "max-age=31536000"


class TestProblems:
    async def test_have_the_fields_of_rfc_9457(self, client: httpx.AsyncClient) -> None:
        response = await client.get(f"{ROOT}/api/v1/nothing")
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["content-language"] == "ru"
        assert response.json() == {
            "type": "/errors/not-found",
            "title": "Не найдено",
            "status": 404,
            "detail": "Ничего не найдено",
            "instance": "/api/v1/nothing",
        }

    async def test_do_not_repeat_the_query(self, client: httpx.AsyncClient) -> None:
        response = await client.get("/history", params={"limit": "canary"})
        assert "canary" not in response.text

    async def test_quote_a_strange_path(self, client: httpx.AsyncClient) -> None:
        response = await client.get(f"{ROOT}/%3Cscript%3E%00%ff" + "a" * 500)
        assert response.status_code == 404
        assert "<" not in response.text
        assert len(response.json()["instance"]) < 250

    async def test_lead_to_a_page_that_explains_them(self, client: httpx.AsyncClient) -> None:
        problem = (await client.get("/stats")).json()
        page = (await client.get(ROOT + problem["type"], headers={"Accept-Language": "en"})).json()
        assert page["type"] == problem["type"]
        assert page["status"] == problem["status"] == 401
        assert "/api/v1/auth/login" in page["advice"]

    async def test_are_all_listed_and_explained(self, client: httpx.AsyncClient) -> None:
        listed = {page["type"] for page in (await client.get(f"{ROOT}/errors")).json()}
        assert listed == {f"/errors/{error.code}" for error in all_errors()}
        for address in listed:
            assert (await client.get(ROOT + address)).status_code == 200

    async def test_of_an_unknown_kind_are_404(self, client: httpx.AsyncClient) -> None:
        assert (await client.get(f"{ROOT}/errors/canary")).status_code == 404

    async def test_are_readable_in_a_browser(self, client: httpx.AsyncClient) -> None:
        page = await client.get(f"{ROOT}/errors/overloaded", headers=HTML)
        index = await client.get(f"{ROOT}/errors", headers=HTML)
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "Retry-After" in page.text
        assert "/errors/overloaded" in index.text

    def test_have_a_text_for_every_class(self) -> None:
        assert [error.code for error in all_errors() if describe_error(error.code) is None] == []


class TestUnexpectedErrors:
    async def test_are_answered_as_problems_without_what_they_say(
        self, client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def fail() -> None:
            raise RuntimeError("canary")

        client.app.add_api_route("/broken", fail)  # type: ignore[attr-defined]
        response = await client.get(f"{ROOT}/broken")
        assert response.status_code == 500
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["type"] == "/errors/internal-error"
        assert len(response.headers["x-request-id"]) == 32
        assert response.headers["x-content-type-options"] == "nosniff"
        logged = capsys.readouterr()
        assert "canary" not in response.text + logged.out + logged.err
        assert "RuntimeError" in logged.out + logged.err


class TestFrontPage:
    async def test_says_what_this_is_and_where_to_look(self, client: httpx.AsyncClient) -> None:
        page = (await client.get(f"{ROOT}/")).json()
        assert page["name"] == "ECG service"
        assert page["model_version"] == "rate-1"
        assert "Not a medical device" in page["notice"]
        for address in page["links"].values():
            assert (await client.get(ROOT + address)).status_code in {200, 405}

    async def test_is_a_page_in_a_browser(self, client: httpx.AsyncClient) -> None:
        response = await client.get(f"{ROOT}/", headers=HTML)
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert 'href="/docs"' in response.text
        assert "POST /api/v1/forward" in response.text
        assert 'href="/api/v1/forward"' not in response.text


class TestHealth:
    async def test_answers_the_documents_body(self, client: httpx.AsyncClient) -> None:
        response = await client.get("/health")
        assert (response.status_code, response.json()) == (200, {"status": "healthy", "model_loaded": True})

    async def test_says_when_there_is_no_model(self, start: StartClient) -> None:
        client = await start(load_model=load_nothing)
        assert (await client.get("/health")).json() == {"status": "healthy", "model_loaded": False}

    async def test_is_alive_whatever_else_is_wrong(self, start: StartClient) -> None:
        client = await start(load_model=load_nothing)
        assert (await client.get(f"{ROOT}/health/live")).json() == {"status": "alive"}

    async def test_is_ready_when_everything_is(self, client: httpx.AsyncClient) -> None:
        response = await client.get(f"{ROOT}/health/ready")
        assert response.status_code == 200
        assert response.json()["status"] == "ready"
        assert all(response.json()["checks"].values())

    async def test_is_not_ready_without_a_model(self, start: StartClient) -> None:
        client = await start(load_model=load_nothing)
        response = await client.get(f"{ROOT}/health/ready")
        assert response.status_code == 503
        assert response.headers["retry-after"] == "5"
        assert response.json()["checks"]["model_loaded"] is False

    async def test_is_not_ready_while_draining_or_full(self, start: StartClient) -> None:
        client = await start(compute_queue_size=1)
        state = client.app.state.service  # type: ignore[attr-defined]
        state.draining = True
        with state.engine.admit():
            checks = (await client.get(f"{ROOT}/health/ready")).json()["checks"]
        assert (checks["not_draining"], checks["not_overloaded"]) == (False, False)

    async def test_is_not_ready_without_its_database(self, client: httpx.AsyncClient) -> None:
        await client.app.state.service.database.close()  # type: ignore[attr-defined]
        response = await client.get(f"{ROOT}/health/ready")
        assert (response.status_code, response.json()["checks"]["database_writable"]) == (503, False)
        assert (await client.get("/history")).status_code == 503


class TestDocumentation:
    async def test_shows_swagger_and_redoc_under_a_policy(self, client: httpx.AsyncClient) -> None:
        for path in ("/docs", "/redoc"):
            response = await client.get(ROOT + path)
            policy = response.headers["content-security-policy"]
            assert response.status_code == 200
            assert "openapi.json" in response.text
            assert "script-src" in policy
            assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]

    async def test_needs_no_other_host(self, client: httpx.AsyncClient) -> None:
        for path in ("/docs", "/redoc"):
            page = (await client.get(ROOT + path)).text
            addresses = re.findall(r'(?:src|href)="([^"]*)"', page)
            assert not re.search(r"https?://", page)
            for address in addresses:
                if not address.startswith("data:"):
                    assert (await client.get(ROOT + address)).status_code == 200

    async def test_fetches_no_logo_from_elsewhere(self, client: httpx.AsyncClient) -> None:
        script = await client.get(f"{ROOT}/docs/redoc.standalone.js")
        assert script.headers["content-type"].startswith("text/javascript")
        assert "Redoc" in script.text
        assert "cdn.redoc.ly" not in script.text

    async def test_shows_a_prediction_of_three_fields(self, client: httpx.AsyncClient) -> None:
        schemas = (await client.get(f"{ROOT}/openapi.json")).json()["components"]["schemas"]
        example = schemas["PredictionAnswer"]["example"]
        assert example == {"class_index": 0, "class_name": "N", "class_description": "Normal ECG"}

    @pytest.mark.parametrize("name", ["../__init__.py", "..%2f__init__.py", "nothing.js", "%00"])
    async def test_gives_out_no_other_file(self, client: httpx.AsyncClient, name: str) -> None:
        assert (await client.get(f"{ROOT}/docs/assets/{name}")).status_code == 404

    async def test_describes_the_raw_bodies_with_an_example_that_works(self, client: httpx.AsyncClient) -> None:
        schema = (await client.get(f"{ROOT}/openapi.json")).json()
        example = schema["components"]["schemas"]["ForwardRequest"]["example"]
        batch = schema["components"]["schemas"]["BatchRequest"]["example"]
        assert len(str(example)) < 25_000
        assert (await client.post("/forward", json=example)).json()["class_name"] == "N"
        assert (await client.post("/forward/batch", json=batch)).status_code == 200

    async def test_documents_400_and_no_422(self, client: httpx.AsyncClient) -> None:
        schema = (await client.get(f"{ROOT}/openapi.json")).json()
        responses = schema["paths"]["/api/v1/forward"]["post"]["responses"]
        assert set(responses) == {"200", "400", "403", "413", "415", "429", "503"}
        assert "422" not in str(schema["paths"])

    async def test_refers_to_nothing_that_is_missing(self, client: httpx.AsyncClient) -> None:
        schema = (await client.get(f"{ROOT}/openapi.json")).json()
        assert missing_references(schema, schema) == set()


class TestCrossOrigin:
    async def test_is_closed_by_default(self, client: httpx.AsyncClient) -> None:
        response = await client.get("/health", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in response.headers

    @pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://good.example.evil.example"])
    async def test_opens_to_the_named_origin_only(self, start: StartClient, origin: str) -> None:
        client = await start(cors_allow_origins="https://good.example")
        good = await client.get("/health", headers={"Origin": "https://good.example"})
        other = await client.get("/health", headers={"Origin": origin})
        assert good.headers["access-control-allow-origin"] == "https://good.example"
        assert "access-control-allow-origin" not in other.headers
        assert "access-control-allow-credentials" not in good.headers


@pytest.mark.parametrize("path", ["/api/v1/forward/", "/api/v1//forward", "/API/v1/forward", "/api/v1/forward%2f"])
async def test_takes_no_other_spelling_of_an_address(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.post(ROOT + path, content=b"{}", headers=JSON)).status_code == 404


async def test_logs_requests_by_route_without_what_was_sent(
    client: httpx.AsyncClient, request_with: Callable[..., bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    await client.post("/forward", content=request_with(age=119.25), headers=JSON, params={"details": "true"})
    logged = "".join(capsys.readouterr())
    assert "route=/api/v1/forward" in logged
    assert "status=200" in logged
    assert "119.25" not in logged
    assert "details" not in logged


def all_errors(base: type[ServiceError] = ServiceError) -> set[type[ServiceError]]:
    return {found for error in base.__subclasses__() for found in {error} | all_errors(error)}


def missing_references(part: Any, schema: dict[str, Any]) -> set[str]:
    """Return the references that lead nowhere."""
    if isinstance(part, dict):
        reference = part.get("$ref")
        if isinstance(reference, str) and reference.rsplit("/", 1)[-1] not in schema["components"]["schemas"]:
            return {reference}
        return set().union(*(missing_references(value, schema) for value in part.values()))
    if isinstance(part, list):
        return set().union(*(missing_references(value, schema) for value in part))
    return set()
