"""Refreshing, logging out, and changing the password."""

from typing import Any

import httpx
import pytest

from tests.fixtures.app import StartClient
from tests.fixtures.auth import Cast, Headers, bearer, log_in

GOOD = {"username": "admin", "password": "admin123"}
ALICE = {"username": "alice", "password": "a good password"}
COOKIE = "ecg_refresh"
OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}


async def log_in_fully(client: httpx.AsyncClient, credentials: dict[str, str] = GOOD) -> dict[str, str]:
    tokens: dict[str, str] = (await client.post("/auth/login", data=credentials)).json()
    client.cookies.clear()
    return tokens


async def is_valid(client: httpx.AsyncClient, access: str) -> bool:
    return (await client.get("/private", headers=bearer(access))).status_code == 200


class TestCookie:
    async def test_goes_nowhere_but_to_where_it_is_used(self, client: httpx.AsyncClient) -> None:
        response = await client.post("/auth/login", data=GOOD)
        attributes = response.headers["set-cookie"].split("; ")
        assert attributes[0] == f"{COOKIE}={response.json()['refresh_token']}"
        assert set(attributes[1:]) == {"HttpOnly", "Max-Age=604800", "Path=/api/v1/auth", "SameSite=strict"}

    async def test_is_secure_in_production(self, start: StartClient) -> None:
        client = await start(environment="production", jwt_secret_key="k" * 32, admin_password="correct horse battery")
        response = await client.post("/token", data={"username": "admin", "password": "correct horse battery"})
        assert "Secure" in response.headers["set-cookie"].split("; ")

    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize(
        "headers",
        [{"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": "http://testserver"}],
    )
    async def test_is_taken_from_own_pages(self, client: httpx.AsyncClient, method: str, headers: Headers) -> None:
        await client.post("/auth/login", data=GOOD)
        response = await client.request(method, "/auth/refresh", headers=headers)
        assert response.status_code == 200
        assert response.json()["refresh_token"] == client.cookies[COOKIE]
        assert (await client.request(method, "/auth/refresh", headers=headers)).status_code == 200

    @pytest.mark.parametrize("path", ["/auth/refresh", "/auth/logout"])
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"},
            {"Origin": "https://evil.example"},
            {"Origin": "http://testserver.evil.example"},
            {"Origin": "http://testserver:81"},
            {"Origin": "null"},
            {"Origin": "http://["},
        ],
    )
    async def test_is_refused_from_others_and_stays_good(
        self, client: httpx.AsyncClient, headers: Headers, path: str
    ) -> None:
        await client.post("/auth/login", data=GOOD)
        response = await client.post(path, headers=headers)
        assert (response.status_code, response.json()["type"]) == (403, "/errors/foreign-page")
        assert (await client.post("/auth/refresh", headers=OWN_PAGE)).status_code == 200


class TestRefreshing:
    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize("place", ["body", "bearer"])
    async def test_gives_the_next_pair(self, client: httpx.AsyncClient, method: str, place: str) -> None:
        tokens = await log_in_fully(client)
        given: dict[str, Any] = (
            {"json": {"refresh_token": tokens["refresh_token"]}}
            if place == "body"
            else {"headers": bearer(tokens["refresh_token"])}
        )
        response = await client.request(method, "/auth/refresh", **given)
        assert response.status_code == 200
        assert list(response.json()) == ["access_token", "token_type", "refresh_token"]
        assert response.json()["refresh_token"] != tokens["refresh_token"]
        assert await is_valid(client, response.json()["access_token"])
        assert await is_valid(client, tokens["access_token"])

    async def test_of_a_used_one_ends_the_session_and_no_other(self, client: httpx.AsyncClient) -> None:
        tokens, elsewhere = await log_in_fully(client), await log_in_fully(client)
        first = {"refresh_token": tokens["refresh_token"]}
        following = (await client.post("/auth/refresh", json=first)).json()
        client.cookies.clear()
        assert (await client.post("/auth/refresh", json=first)).status_code == 401
        second = {"refresh_token": following["refresh_token"]}
        assert (await client.post("/auth/refresh", json=second)).status_code == 401
        assert not await is_valid(client, tokens["access_token"])
        assert not await is_valid(client, following["access_token"])
        assert await is_valid(client, elsewhere["access_token"])

    @pytest.mark.parametrize("token", ["nonsense", "ecr_" + "A" * 43, "ecg_" + "A" * 43, "ecr_\u0000", "ecr_é"])
    async def test_refuses_what_is_none(self, client: httpx.AsyncClient, token: str) -> None:
        response = await client.post("/auth/refresh", json={"refresh_token": token})
        assert (response.status_code, response.json()["detail"]) == (401, "Could not validate credentials")

    async def test_refuses_one_kind_of_token_for_the_other(self, client: httpx.AsyncClient) -> None:
        tokens = await log_in_fully(client)
        swapped = await client.post("/auth/refresh", json={"refresh_token": tokens["access_token"]})
        assert swapped.status_code == 401
        assert (await client.get("/auth/me", headers=bearer(tokens["refresh_token"]))).status_code == 401

    @pytest.mark.parametrize(
        "body",
        [b"{", b"[]", b'{"refresh_token": 5}', b'{"refresh_token": null}', b'{"x": 1}', b'{"refresh_token": ""}'],
    )
    @pytest.mark.parametrize("method", ["GET", "POST"])
    async def test_refuses_another_body(self, client: httpx.AsyncClient, body: bytes, method: str) -> None:
        headers = {"Content-Type": "application/json"}
        assert (await client.request(method, "/auth/refresh", content=body, headers=headers)).status_code == 400


class TestLoggingOut:
    @pytest.mark.parametrize("place", ["access", "access beside cookie", "bearer", "body", "cookie"])
    async def test_ends_both_tokens_and_takes_the_cookie(self, client: httpx.AsyncClient, place: str) -> None:
        tokens = (await client.post("/auth/login", data=GOOD)).json()
        if "cookie" not in place:
            client.cookies.clear()
        given: dict[str, dict[str, Any]] = {
            "access": {"headers": bearer(tokens["access_token"])},
            "access beside cookie": {"headers": bearer(tokens["access_token"])},
            "bearer": {"headers": bearer(tokens["refresh_token"])},
            "body": {"json": {"refresh_token": tokens["refresh_token"]}},
            "cookie": {"headers": OWN_PAGE},
        }
        response = await client.post("/auth/logout", **given[place])
        assert (response.status_code, response.content) == (204, b"")
        assert "Max-Age=0" in response.headers["set-cookie"]
        assert not await is_valid(client, tokens["access_token"])
        again = await client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert again.status_code == 401

    async def test_leaves_other_sessions_alone(self, client: httpx.AsyncClient) -> None:
        here, elsewhere = await log_in_fully(client), await log_in_fully(client)
        await client.post("/auth/logout", headers=bearer(here["access_token"]))
        assert await is_valid(client, elsewhere["access_token"])

    async def test_everywhere_leaves_none(self, client: httpx.AsyncClient) -> None:
        here, elsewhere = await log_in_fully(client), await log_in_fully(client)
        response = await client.post("/auth/logout-all", headers=bearer(here["access_token"]))
        assert response.status_code == 204
        for tokens in (here, elsewhere):
            assert not await is_valid(client, tokens["access_token"])
            body = {"refresh_token": tokens["refresh_token"]}
            assert (await client.post("/auth/refresh", json=body)).status_code == 401

    async def test_needs_somebody(self, client: httpx.AsyncClient) -> None:
        assert (await client.post("/auth/logout")).status_code == 401


class TestTokensDie:
    """With another version, role, name or session than the database has."""

    @pytest.mark.parametrize(
        "changes",
        [{"ver": 0}, {"ver": -1}, {"ver": 2**80}, {"sub": "root"}, {"sub": "olga"}, {"jti": "77." + "A" * 16}],
    )
    async def test_that_differ_from_what_is_stored(
        self, client: httpx.AsyncClient, cast: Cast, changes: dict[str, Any]
    ) -> None:
        admin = await cast.admin()
        await cast.person("olga")
        assert (await client.get("/auth/me", headers=admin.headers)).status_code == 200
        assert (await client.get("/auth/me", headers=admin.headers_with(**changes))).status_code == 401

    async def test_that_claim_another_role_get_their_own(self, client: httpx.AsyncClient, cast: Cast) -> None:
        headers = (await cast.person("olga")).headers_with(role="admin")
        assert (await client.get("/stats", headers=headers)).status_code == 403

    @pytest.mark.parametrize("change", [{"role": "doctor"}, {"is_active": False}])
    async def test_when_rights_change(
        self, client: httpx.AsyncClient, cast: Cast, admin_headers: Headers, change: dict[str, Any]
    ) -> None:
        olga = await cast.person("olga")
        assert (await client.put(f"/users/{olga.id}", json=change, headers=admin_headers)).status_code == 200
        assert (await client.get("/auth/me", headers=olga.headers)).status_code == 401
        refreshed = await client.post("/auth/refresh", json={"refresh_token": olga.refresh_token})
        assert refreshed.status_code == 401


class TestChangingThePassword:
    async def test_ends_all_sessions_and_begins_one(self, client: httpx.AsyncClient) -> None:
        await client.post("/register", json=ALICE)
        here, elsewhere = await log_in_fully(client, ALICE), await log_in_fully(client, ALICE)
        body = {"current_password": ALICE["password"], "new_password": "a better password"}
        response = await client.post("/auth/password", json=body, headers=bearer(here["access_token"]))
        assert response.status_code == 200
        assert await is_valid(client, response.json()["access_token"])
        client.cookies.clear()
        for tokens in (here, elsewhere):
            assert not await is_valid(client, tokens["access_token"])
            again = await client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
            assert again.status_code == 401
        assert (await client.post("/token", data=ALICE)).status_code == 401
        assert await log_in(client, "alice", "a better password")

    @pytest.mark.parametrize(
        ("body", "field", "kind"),
        [
            ({"current_password": "wrong", "new_password": "a better password"}, "current_password", "password_wrong"),
            ({"current_password": "admin123", "new_password": "123456"}, "new_password", "password_too_common"),
            ({"current_password": "admin123", "new_password": "olga"}, "new_password", "password_too_short"),
            ({"current_password": "admin123", "new_password": "olga@example.com"}, "new_password", "password_is_name"),
            ({"new_password": "a better password"}, "current_password", "missing"),
        ],
    )
    async def test_needs_the_current_one_and_a_good_one(
        self, client: httpx.AsyncClient, user_headers: Headers, body: dict[str, str], field: str, kind: str
    ) -> None:
        response = await client.post("/auth/password", json=body, headers=user_headers)
        fault = response.json()["errors"][0]
        assert (response.status_code, fault["loc"], fault["type"]) == (400, ["body", field], kind)
        assert (await client.get("/auth/me", headers=user_headers)).status_code == 200

    async def test_is_slowed_down_for_whoever_found_a_token(
        self, client: httpx.AsyncClient, user_headers: Headers
    ) -> None:
        body = {"current_password": "wrong", "new_password": "a better password"}
        statuses = [
            (await client.post("/auth/password", json=body, headers=user_headers)).status_code for _ in range(6)
        ]
        assert statuses == [400] * 5 + [429]

    async def test_of_the_settings_administrator_is_the_settings(
        self, client: httpx.AsyncClient, admin_headers: Headers
    ) -> None:
        body = {"current_password": "admin123", "new_password": "a better password"}
        response = await client.post("/auth/password", json=body, headers=admin_headers)
        assert (response.status_code, response.json()["type"]) == (409, "/errors/account-from-settings")


class TestThrottling:
    async def test_answers_429_with_a_delay_and_says_so_for_the_right_password_too(
        self, client: httpx.AsyncClient
    ) -> None:
        wrong = {**GOOD, "password": "wrong"}
        statuses = [(await client.post("/auth/login", data=wrong)).status_code for _ in range(5)]
        assert statuses == [401] * 5
        for credentials in (wrong, GOOD):
            response = await client.post("/auth/login", data=credentials)
            assert (response.status_code, response.json()["type"]) == (429, "/errors/login-throttled")
            assert response.json()["detail"] == "Слишком много неудачных попыток входа"
            assert int(response.headers["retry-after"]) >= 1

    async def test_is_the_same_for_a_name_that_nobody_has(self, client: httpx.AsyncClient) -> None:
        wrong = {"username": "nobody", "password": "wrong"}
        answers = [await client.post("/auth/login", data=wrong) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [401] * 5 + [429]

    async def test_does_not_touch_those_who_are_logged_in(
        self, client: httpx.AsyncClient, admin_headers: Headers
    ) -> None:
        for _ in range(6):
            await client.post("/auth/login", data={**GOOD, "password": "wrong"})
        assert (await client.get("/auth/me", headers=admin_headers)).status_code == 200

    async def test_believes_no_forwarded_address(self, client: httpx.AsyncClient) -> None:
        wrong = {**GOOD, "password": "wrong"}
        statuses = [
            (
                await client.post("/auth/login", data=wrong, headers={"X-Forwarded-For": f"203.0.113.{number}"})
            ).status_code
            for number in range(6)
        ]
        assert statuses[-1] == 429

    async def test_answers_a_disabled_account_as_an_unknown_one(
        self, client: httpx.AsyncClient, cast: Cast, admin_headers: Headers
    ) -> None:
        olga = await cast.person("olga")
        await client.put(f"/users/{olga.id}", json={"is_active": False}, headers=admin_headers)
        disabled = await client.post("/auth/login", data={"username": "olga", "password": "admin123"})
        unknown = await client.post("/auth/login", data={"username": "nobody", "password": "admin123"})
        assert (disabled.status_code, disabled.json()) == (unknown.status_code, unknown.json())
        assert set(disabled.headers) == set(unknown.headers)

    @pytest.mark.parametrize("who", ["known", "unknown", "disabled", "not a name"])
    async def test_takes_the_same_steps_for_everybody(
        self, client: httpx.AsyncClient, cast: Cast, admin_headers: Headers, monkeypatch: pytest.MonkeyPatch, who: str
    ) -> None:
        """One comparison by one hash, one look at the failures, one more failure: so the time is the same."""
        await cast.person("known")
        disabled = await cast.person("disabled")
        await client.put(f"/users/{disabled.id}", json={"is_active": False}, headers=admin_headers)
        steps: list[str] = []
        auth = client.app.state.service.accounts.auth  # type: ignore[attr-defined]  # of the fixture

        def note(owner: object, name: str) -> None:
            whole = getattr(owner, name)

            async def noted(*given: object) -> object:
                steps.append(name)
                return await whole(*given)

            monkeypatch.setattr(owner, name, noted)

        for owner, name in ((auth._users, "find_by_login"), (auth._throttle, "check"), (auth._throttle, "fail")):
            note(owner, name)
        verify = auth._hasher._verify

        def compare(password: str, stored: str) -> bool:
            steps.append(f"compare {stored[:30]}")
            return bool(verify(password, stored))

        monkeypatch.setattr(auth._hasher, "_verify", compare)
        await client.post("/auth/login", data={"username": who, "password": "wrong"})
        assert steps == ["find_by_login", "check", "compare $argon2id$v=19$m=19456,t=2,p=1", "fail"]
