"""POST /auth/login and GET /auth/me."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import httpx
import pytest
from jose import jwt

from app.core.config import DEFAULT_SECRET_KEY
from tests.fixtures.app import StartClient
from tests.fixtures.auth import REFUSED_TOKENS, bearer

Headers = dict[str, str]

GOOD = {"username": "admin", "password": "admin123"}


class TestLogin:
    async def test_answers_a_token_as_the_document_does(self, client: httpx.AsyncClient) -> None:
        response = await client.post("/auth/login", data=GOOD)
        assert response.status_code == 200
        assert list(response.json()) == ["access_token", "token_type", "refresh_token"]
        assert response.json()["token_type"] == "bearer"

    async def test_puts_the_documents_claims_into_it(self, client: httpx.AsyncClient) -> None:
        token = (await client.post("/auth/login", data=GOOD)).json()["access_token"]
        claims = jwt.decode(token, DEFAULT_SECRET_KEY, algorithms=["HS256"])
        assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
        assert set(claims) == {"sub", "role", "exp", "iat", "jti", "typ", "ver"}
        assert (claims["sub"], claims["role"]) == ("admin", "admin")
        assert claims["exp"] - claims["iat"] == 30 * 60
        assert claims["iat"] == pytest.approx(datetime.now(UTC).timestamp(), abs=5)

    async def test_takes_credentials_and_lifetime_from_the_settings(self, start: StartClient) -> None:
        client = await start(admin_username="chief", admin_password="другой пароль", jwt_access_token_expire_minutes=5)
        refused = await client.post("/auth/login", data=GOOD)
        accepted = await client.post("/auth/login", data={"username": "chief", "password": "другой пароль"})
        claims = jwt.decode(accepted.json()["access_token"], DEFAULT_SECRET_KEY, algorithms=["HS256"])
        assert refused.status_code == 401
        assert claims["exp"] - claims["iat"] == 5 * 60

    @pytest.mark.parametrize(
        "credentials",
        [
            {"username": "admin", "password": "wrong"},
            {"username": "root", "password": "admin123"},
            {"username": "admin", "password": "admin123 "},
            {"username": "admin", "password": "admin123\0"},
            {"username": "админ", "password": "пароль"},
            {"username": "admin\0", "password": "admin123"},
            {"username": "a@b", "password": "admin123"},
        ],
    )
    async def test_refuses_wrong_credentials_alike(
        self, client: httpx.AsyncClient, credentials: dict[str, str]
    ) -> None:
        response = await client.post("/auth/login", data=credentials)
        assert response.status_code == 401
        assert response.json()["detail"] == "Неверное имя пользователя или пароль"
        assert response.json()["type"] == "/errors/wrong-credentials"
        assert response.headers["www-authenticate"] == "Bearer"

    async def test_refuses_in_english_on_request(self, client: httpx.AsyncClient) -> None:
        response = await client.post(
            "/auth/login", data={**GOOD, "password": "wrong"}, headers={"Accept-Language": "en"}
        )
        assert response.json()["detail"] == "Wrong user name or password"

    @pytest.mark.parametrize("field", ["username", "password"])
    async def test_refuses_a_missing_field(self, client: httpx.AsyncClient, field: str) -> None:
        form = {name: value for name, value in GOOD.items() if name != field}
        response = await client.post("/auth/login", data=form)
        assert response.status_code == 400
        assert response.json()["errors"][0]["loc"] == ["body", field]

    async def test_refuses_an_empty_form(self, client: httpx.AsyncClient) -> None:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        assert (await client.post("/auth/login", content=b"", headers=headers)).status_code == 400

    async def test_refuses_a_password_of_a_megabyte_without_hashing_it(self, client: httpx.AsyncClient) -> None:
        response = await client.post("/auth/login", data={**GOOD, "password": "x" * 2**20})
        assert (response.status_code, response.json()["type"]) == (413, "/errors/body-too-large")

    async def test_refuses_a_large_form_of_undeclared_size(self, client: httpx.AsyncClient) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b"x" * 10_000

        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        response = await client.post("/auth/login", content=pieces(), headers=headers)
        assert (response.status_code, response.json()["type"]) == (413, "/errors/body-too-large")

    async def test_refuses_a_password_above_the_bound(self, client: httpx.AsyncClient) -> None:
        response = await client.post("/auth/login", data={**GOOD, "password": "x" * 1025})
        assert (response.status_code, response.json()["errors"][0]["type"]) == (400, "value_too_long")

    async def test_refuses_json(self, client: httpx.AsyncClient) -> None:
        response = await client.post("/auth/login", json=GOOD)
        assert response.status_code == 415
        assert "application/x-www-form-urlencoded" in response.headers["accept"]

    async def test_refuses_a_broken_multipart_form(self, client: httpx.AsyncClient) -> None:
        headers = {"Content-Type": "multipart/form-data"}
        assert (await client.post("/auth/login", content=b"nonsense", headers=headers)).status_code == 400

    async def test_refuses_a_form_of_a_thousand_fields(self, client: httpx.AsyncClient) -> None:
        response = await client.post("/auth/login", data={f"f{index}": "1" for index in range(1001)})
        assert response.status_code == 400

    async def test_turns_a_flood_away_instead_of_hashing_it(self, client: httpx.AsyncClient) -> None:
        hasher = client.app.state.service.accounts.auth._hasher  # type: ignore[attr-defined]  # of the fixture
        hasher._max_waiting = 4
        slots, hasher._slots = hasher._slots, asyncio.Semaphore(0)  # nobody is done before all have come
        callers = [asyncio.create_task(client.post("/auth/login", data=GOOD)) for _ in range(40)]
        while sum(caller.done() for caller in callers) < 36:
            await asyncio.wait(callers, return_when=asyncio.FIRST_COMPLETED, timeout=0.05)
        for _ in range(4):
            hasher._slots.release()
        responses = await asyncio.gather(*callers)
        hasher._slots = slots
        statuses = [response.status_code for response in responses]
        assert (statuses.count(200), statuses.count(503)) == (4, 36)
        assert all("retry-after" in response.headers for response in responses if response.status_code == 503)


class TestWhoAmI:
    async def test_answers_name_and_role(self, client: httpx.AsyncClient) -> None:
        token = (await client.post("/auth/login", data=GOOD)).json()["access_token"]
        response = await client.get("/auth/me", headers=bearer(token))
        assert response.status_code == 200
        assert response.json() == {"username": "admin", "role": "admin"}

    async def test_is_open_to_every_role(self, client: httpx.AsyncClient, user_headers: Headers) -> None:
        response = await client.get("/auth/me", headers=user_headers)
        assert response.json() == {"username": "olga", "role": "patient"}

    @pytest.mark.parametrize("headers", REFUSED_TOKENS.values(), ids=REFUSED_TOKENS)
    async def test_refuses_strangers_with_the_documents_text(
        self, client: httpx.AsyncClient, headers: Callable[[], Headers]
    ) -> None:
        response = await client.get("/auth/me", headers=headers())
        assert response.status_code == 401
        assert response.json()["detail"] == "Could not validate credentials"
        assert response.headers["www-authenticate"] == "Bearer"

    async def test_says_that_a_token_has_expired(self, client: httpx.AsyncClient, expired_headers: Headers) -> None:
        response = await client.get("/auth/me", headers=expired_headers)
        assert (response.status_code, response.json()["detail"]) == (401, "Token has expired")
        assert response.json()["type"] == "/errors/token-expired"

    async def test_refuses_tokens_of_a_server_with_another_password(
        self, client: httpx.AsyncClient, start: StartClient
    ) -> None:
        token = (await client.post("/auth/login", data=GOOD)).json()["access_token"]
        changed = await start(admin_password="another password")
        assert (await changed.get("/auth/me", headers=bearer(token))).status_code == 401
