"""Accounts, API keys and the administrator's token."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.core.opaque import digest
from app.database.repositories.api_keys import ApiKeyRepository
from tests.fixtures.app import JSON, StartClient
from tests.fixtures.auth import Cast, Headers, bearer
from tests.fixtures.ecg import encode, make_request, make_signal

ADMIN_TOKEN = "admin_secret_token_12345"


class TestReading:
    async def test_shows_ones_own_account(self, client: httpx.AsyncClient, cast: Cast) -> None:
        olga = await cast.person("olga")
        own = (await client.get("/users/me", headers=olga.headers)).json()
        created_at = own.pop("created_at")
        assert own == {
            "id": olga.id,
            "username": "olga",
            "email": "olga@example.com",
            "full_name": None,
            "role": "patient",
            "is_active": True,
            "balance": 0,
        }
        assert datetime.fromisoformat(created_at).replace(tzinfo=UTC) <= datetime.now(UTC)
        assert (await client.get(f"/users/{olga.id}", headers=olga.headers)).json() == {**own, "created_at": created_at}

    async def test_lists_them_to_administrators(
        self, client: httpx.AsyncClient, cast: Cast, admin_headers: Headers
    ) -> None:
        for name in ("olga", "igor", "vera"):
            await cast.person(name)
        page = (await client.get("/users/", headers=admin_headers, params={"limit": 2, "offset": 1})).json()
        assert page["total"] == 4
        assert [user["username"] for user in page["users"]] == ["olga", "igor"]
        assert "password" not in str(page)

    @pytest.mark.parametrize("number", ["0", "-1", "x", "1.5", str(2**63), "9" * 400, "9" * 5000, "%00", "1%2F2"])
    async def test_refuses_what_is_no_number(
        self, client: httpx.AsyncClient, admin_headers: Headers, number: str
    ) -> None:
        assert (await client.get(f"/users/{number}", headers=admin_headers)).status_code in {400, 404}

    @pytest.mark.parametrize("params", [{"limit": 0}, {"limit": 1001}, {"offset": -1}, {"offset": 2**63}])
    async def test_refuses_pages_that_cannot_be(
        self, client: httpx.AsyncClient, admin_headers: Headers, params: dict[str, int]
    ) -> None:
        assert (await client.get("/users/", headers=admin_headers, params=params)).status_code == 400


class TestChanging:
    async def test_changes_what_is_named_and_nothing_else(self, client: httpx.AsyncClient, cast: Cast) -> None:
        olga = await cast.person("olga")
        response = await client.put(f"/users/{olga.id}", json={"full_name": "Ольга Ли"}, headers=olga.headers)
        assert response.status_code == 200
        assert (response.json()["full_name"], response.json()["email"]) == ("Ольга Ли", "olga@example.com")
        cleared = await client.put(f"/users/{olga.id}", json={"email": None}, headers=olga.headers)
        assert (cleared.json()["full_name"], cleared.json()["email"]) == ("Ольга Ли", None)
        assert (await client.get("/auth/me", headers=olga.headers)).status_code == 200

    @pytest.mark.parametrize(
        "change",
        [
            {"role": "admin"},
            {"role": "patient"},
            {"is_active": True},
            {"password": "a better password"},
            {"balance": 1000},
            {"username": "boss"},
            {"id": 1},
            {"is_admin": True},
            {"token_version": 0},
            {"full_name": "x", "role": "admin"},
        ],
    )
    async def test_refuses_what_is_not_the_owners(
        self, client: httpx.AsyncClient, cast: Cast, change: dict[str, Any]
    ) -> None:
        olga = await cast.person("olga")
        before = (await client.get("/users/me", headers=olga.headers)).json()
        response = await client.put(f"/users/{olga.id}", json=change, headers=olga.headers)
        assert (response.status_code, response.json()["errors"][0]["type"]) == (400, "field_not_taken")
        assert (await client.get("/users/me", headers=olga.headers)).json() == before

    async def test_lets_administrators_give_rights(
        self, client: httpx.AsyncClient, cast: Cast, admin_headers: Headers
    ) -> None:
        olga = await cast.person("olga")
        response = await client.put(f"/users/{olga.id}", json={"role": "doctor"}, headers=admin_headers)
        assert (response.status_code, response.json()["role"]) == (200, "doctor")

    @pytest.mark.parametrize(
        "change", [{"password": "x"}, {"balance": 1}, {"role": "god"}, {"role": None}, {"is_active": 1}]
    )
    async def test_refuses_administrators_what_cannot_be(
        self, client: httpx.AsyncClient, cast: Cast, admin_headers: Headers, change: dict[str, Any]
    ) -> None:
        olga = await cast.person("olga")
        assert (await client.put(f"/users/{olga.id}", json=change, headers=admin_headers)).status_code == 400

    @pytest.mark.parametrize("change", [{"role": "patient"}, {"is_active": False}])
    async def test_leaves_the_settings_administrator_as_the_settings_say(
        self, client: httpx.AsyncClient, cast: Cast, change: dict[str, Any]
    ) -> None:
        admin = await cast.admin()
        response = await client.put(f"/users/{admin.id}", json=change, headers=admin.headers)
        assert (response.status_code, response.json()["type"]) == (409, "/errors/account-from-settings")

    async def test_refuses_an_address_that_is_taken(self, client: httpx.AsyncClient, cast: Cast) -> None:
        olga = await cast.person("olga")
        await cast.person("igor")
        response = await client.put(f"/users/{olga.id}", json={"email": "IGOR@example.com"}, headers=olga.headers)
        assert (response.status_code, response.json()["type"]) == (409, "/errors/account-exists")

    async def test_keeps_the_address_that_is_the_name(self, client: httpx.AsyncClient, admin_headers: Headers) -> None:
        body = {"username": "a@example.com", "email": "a@example.com", "password": "a good password"}
        number = (await client.post("/register", json=body)).json()["id"]
        for email in (None, "b@example.com"):
            response = await client.put(f"/users/{number}", json={"email": email}, headers=admin_headers)
            assert response.json()["errors"][0]["type"] == "username_is_other_email"


class TestKeys:
    async def make(self, client: httpx.AsyncClient, headers: Headers, **body: Any) -> dict[str, Any]:
        response = await client.post("/auth/keys", json={"name": "n", "scopes": [], **body}, headers=headers)
        assert response.status_code == 201, response.text
        made: dict[str, Any] = response.json()
        return made

    async def test_are_shown_once_and_kept_as_digests(
        self, client: httpx.AsyncClient, cast: Cast, user_headers: Headers
    ) -> None:
        made = await self.make(client, user_headers, name="скрипт", scopes=["predict"], expires_in_days=30)
        key = made.pop("key")
        assert key.startswith("ecg_")
        assert len(key) == 47
        assert made["prefix"] == key[:12]
        listed = await client.get("/auth/keys", headers=user_headers)
        assert listed.json() == {"total": 1, "keys": [made]}
        kept = await ApiKeyRepository(cast.database).find(digest(key))
        assert kept is not None
        assert key not in str(kept)
        assert kept.expires_at == kept.created_at + timedelta(days=30)

    async def test_say_whose_they_are_and_when_they_were_used(
        self, client: httpx.AsyncClient, user_headers: Headers
    ) -> None:
        made = await self.make(client, user_headers)
        for path in ("/auth/me", "/private", "/users/me"):
            assert (await client.get(path, headers=bearer(made["key"]))).status_code == 200
        listed = (await client.get("/auth/keys", headers=user_headers)).json()["keys"][0]
        assert (made["last_used_at"], listed["last_used_at"] is not None) == (None, True)

    @pytest.mark.parametrize(
        ("scopes", "statuses"),
        [([], (403, 403)), (["predict"], (403, 403)), (["history:read"], (200, 403)), (["admin"], (200, 200))],
    )
    async def test_do_what_their_scopes_say(
        self, start: StartClient, admin_headers: Headers, scopes: list[str], statuses: tuple[int, int]
    ) -> None:
        client = await start(history_access="admin")
        key = (await self.make(client, admin_headers, scopes=scopes))["key"]
        answers = [await client.get(path, headers=bearer(key)) for path in ("/history", "/stats")]
        assert tuple(answer.status_code for answer in answers) == statuses

    async def test_of_others_open_nothing_of_administrators(self, start: StartClient, user_headers: Headers) -> None:
        client = await start(history_access="admin")
        key = (await self.make(client, user_headers, scopes=["history:read"]))["key"]
        assert (await client.get("/history", headers=bearer(key))).status_code == 403
        refused = await client.post("/auth/keys", json={"name": "n", "scopes": ["admin"]}, headers=user_headers)
        assert (refused.status_code, refused.json()["errors"][0]["type"]) == (400, "scope_not_yours")

    async def test_lose_what_their_owner_loses(
        self, client: httpx.AsyncClient, cast: Cast, admin_headers: Headers
    ) -> None:
        boss = await cast.person("boss", "admin")
        key = (await self.make(client, boss.headers, scopes=["admin"]))["key"]
        assert (await client.get("/stats", headers=bearer(key))).status_code == 200
        await client.put(f"/users/{boss.id}", json={"role": "doctor"}, headers=admin_headers)
        assert (await client.get("/stats", headers=bearer(key))).status_code == 403
        await client.put(f"/users/{boss.id}", json={"is_active": False}, headers=admin_headers)
        assert (await client.get("/private", headers=bearer(key))).status_code == 401

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("POST", "/auth/keys", {"name": "n", "scopes": []}),
            ("GET", "/auth/keys", None),
            ("DELETE", "/auth/keys/1", None),
            ("POST", "/auth/logout", None),
            ("POST", "/auth/logout-all", None),
            ("POST", "/auth/password", {"current_password": "admin123", "new_password": "a better password"}),
            ("PUT", "/users/{id}", {"full_name": "x"}),
            ("GET", "/users/{id}", None),
        ],
    )
    async def test_cannot_act_as_somebody_who_logged_in(
        self, client: httpx.AsyncClient, cast: Cast, method: str, path: str, body: Any
    ) -> None:
        olga = await cast.person("olga")
        key = (await self.make(client, olga.headers, scopes=["predict"]))["key"]
        response = await client.request(method, path.format(id=olga.id), json=body, headers=bearer(key))
        assert (response.status_code, response.json()["type"]) == (403, "/errors/login-required")

    async def test_are_refused_once_they_are_deleted_or_over(
        self, client: httpx.AsyncClient, cast: Cast, user_headers: Headers
    ) -> None:
        made = await self.make(client, user_headers)
        assert (await client.delete(f"/auth/keys/{made['id']}", headers=user_headers)).status_code == 204
        assert (await client.get("/private", headers=bearer(made["key"]))).status_code == 401
        past = datetime.now(UTC) - timedelta(seconds=1)
        adding = ApiKeyRepository(cast.database).adding(
            (await cast.person("olga")).id,
            name="n",
            prefix="ecg_",
            key_digest=digest("ecg_over"),
            scopes="",
            created_at=past,
            expires_at=past,
        )
        await cast.database.writes.run(adding)
        assert (await client.get("/private", headers=bearer("ecg_over"))).status_code == 401

    @pytest.mark.parametrize(
        "body",
        [
            {"name": "", "scopes": []},
            {"name": "x" * 65, "scopes": []},
            {"name": "a\u0000", "scopes": []},
            {"name": "n", "scopes": ["root"]},
            {"name": "n", "scopes": "admin"},
            {"name": "n", "scopes": [], "expires_in_days": 0},
            {"name": "n", "scopes": [], "expires_in_days": 10**9},
            {"name": "n", "scopes": [], "expires_in_days": True},
            {"name": "n", "scopes": [], "expires_in_days": "30"},
            {"name": "n", "scopes": [], "expires_in_days": 1.5},
            {"name": "n", "scopes": [], "user_id": 1},
        ],
    )
    async def test_that_cannot_be_are_refused(
        self, client: httpx.AsyncClient, user_headers: Headers, body: dict[str, Any]
    ) -> None:
        assert (await client.post("/auth/keys", json=body, headers=user_headers)).status_code == 400


class TestAdminToken:
    async def test_is_the_administrator(self, start: StartClient) -> None:
        client = await start(admin_token=ADMIN_TOKEN)
        assert (await client.get("/auth/me", headers=bearer(ADMIN_TOKEN))).json() == {
            "username": "admin",
            "role": "admin",
        }
        assert (await client.delete("/history", headers=bearer(ADMIN_TOKEN))).status_code == 200
        body = {"username": "dora", "password": "a good password", "role": "doctor"}
        assert (await client.post("/register", json=body, headers=bearer(ADMIN_TOKEN))).status_code == 201

    async def test_makes_no_keys(self, start: StartClient) -> None:
        client = await start(admin_token=ADMIN_TOKEN)
        response = await client.post("/auth/keys", json={"name": "n", "scopes": []}, headers=bearer(ADMIN_TOKEN))
        assert response.status_code == 403

    @pytest.mark.parametrize("token", ["", ADMIN_TOKEN[:-1], ADMIN_TOKEN + "x", ADMIN_TOKEN.upper(), "None", "é" * 24])
    async def test_is_nothing_else(self, start: StartClient, token: str) -> None:
        client = await start(admin_token=ADMIN_TOKEN)
        headers = [(b"authorization", f"Bearer {token}".encode())]
        assert (await client.get("/stats", headers=headers)).status_code == 401

    async def test_is_nothing_where_it_is_not_set(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/stats", headers=bearer(ADMIN_TOKEN))).status_code == 401


class TestPredictions:
    @pytest.mark.parametrize("headers", [{}, bearer("nonsense"), bearer("ecg_" + "A" * 43)])
    async def test_ask_for_no_account(self, client: httpx.AsyncClient, sqlite_url: str, headers: Headers) -> None:
        with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite+aiosqlite:///"))) as connection:
            for table in ("users", "login_sessions", "refresh_tokens", "api_keys", "login_failures"):
                connection.execute(f"DROP TABLE {table}")
        body = encode(make_request(make_signal()[:2500:5], sampling_rate_hz=100))
        response = await client.post("/forward", content=body, headers={**JSON, **headers})
        assert response.status_code == 200
        assert (await client.get("/history")).json()["total"] == 1
        assert (await client.post("/auth/login", data={"username": "a", "password": "b"})).status_code == 503
