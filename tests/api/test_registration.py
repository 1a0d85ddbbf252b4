"""POST /auth/register and POST /register."""

from typing import Any

import httpx
import pytest

from app.database.repositories.users import UserRepository
from tests.fixtures.app import StartClient
from tests.fixtures.auth import Cast, Headers, bearer, log_in

ALICE = {"username": "alice", "email": "alice@example.com", "password": "test123"}


async def count(cast: Cast) -> int:
    return (await UserRepository(cast.database).page(limit=1, offset=0)).total


class TestRegistering:
    @pytest.mark.parametrize("path", ["/auth/register", "/register"])
    async def test_answers_as_the_contract_says(self, client: httpx.AsyncClient, path: str) -> None:
        response = await client.post(path, json=ALICE)
        assert response.status_code == 201
        number = response.json()["id"]
        assert list(response.json().items()) == [
            ("id", number),
            ("username", "alice"),
            ("email", "alice@example.com"),
            ("role", "patient"),
        ]
        assert isinstance(number, int)
        assert response.headers["cache-control"] == "no-store"

    async def test_makes_an_account_to_log_in_with_by_name_or_address(self, client: httpx.AsyncClient) -> None:
        await client.post("/register", json=ALICE)
        for name in ("alice", "Alice", "alice@example.com", "ALICE@EXAMPLE.COM"):
            headers = await log_in(client, name, "test123")
            assert (await client.get("/auth/me", headers=headers)).json() == {"username": "alice", "role": "patient"}

    async def test_needs_no_address(self, client: httpx.AsyncClient) -> None:
        response = await client.post("/register", json={"username": "иванова-2", "password": "a good password"})
        assert (response.status_code, response.json()["email"]) == (201, None)

    async def test_takes_an_address_for_a_name(self, client: httpx.AsyncClient) -> None:
        body = {"username": "alice@example.com", "email": "Alice@example.com", "password": "a good password"}
        assert (await client.post("/register", json=body)).status_code == 201
        assert await log_in(client, "alice@example.com", "a good password")

    @pytest.mark.parametrize(
        "other",
        [
            {"username": "alice"},
            {"username": "ALICE"},
            {"username": "\N{FULLWIDTH LATIN SMALL LETTER A}lice"},
            {"username": "bob", "email": "alice@example.com"},
            {"username": "bob", "email": "ALICE@Example.com"},
            {"username": "alice@example.com", "email": "alice@example.com"},
            {"username": "admin"},
        ],
    )
    async def test_refuses_what_is_taken_without_saying_which(
        self, client: httpx.AsyncClient, other: dict[str, str]
    ) -> None:
        await client.post("/register", json=ALICE)
        response = await client.post("/register", json={"password": "a good password", **other})
        if "\N{FULLWIDTH LATIN SMALL LETTER A}" in other["username"]:
            assert response.status_code == 400  # such letters are not taken at all
        else:
            assert (response.status_code, response.json()["type"]) == (409, "/errors/account-exists")
            assert response.json()["detail"] == "Имя пользователя или e-mail уже заняты"


class TestPrivileges:
    @pytest.mark.parametrize(
        "rights",
        [{"is_admin": True}, {"role": "admin"}, {"role": "patient"}, {"is_active": False}, {"is_active": True}],
    )
    @pytest.mark.parametrize("who", ["anonymous", "patient", "doctor"])
    async def test_are_refused_from_others_and_nobody_is_made(
        self, client: httpx.AsyncClient, cast: Cast, rights: dict[str, Any], who: str
    ) -> None:
        headers = (await cast.person(who, who)).headers if who != "anonymous" else {}
        before = await count(cast)
        response = await client.post("/register", json={**ALICE, **rights}, headers=headers)
        assert (response.status_code, response.json()["detail"]) == (403, "Требуются права администратора")
        assert await count(cast) == before

    async def test_that_are_not_asked_for_are_none(self, client: httpx.AsyncClient) -> None:
        response = await client.post("/register", json={**ALICE, "is_admin": False, "role": None})
        assert (response.status_code, response.json()["role"]) == (201, "patient")

    @pytest.mark.parametrize(
        ("rights", "role"),
        [
            ({"is_admin": True}, "admin"),
            ({"role": "doctor"}, "doctor"),
            ({"role": "admin", "is_admin": True}, "admin"),
            ({"is_admin": False}, "patient"),
        ],
    )
    async def test_are_administrators_to_give(
        self, client: httpx.AsyncClient, admin_headers: Headers, rights: dict[str, Any], role: str
    ) -> None:
        response = await client.post("/register", json={**ALICE, **rights}, headers=admin_headers)
        assert (response.status_code, response.json()["role"]) == (201, role)

    async def test_that_contradict_are_refused(self, client: httpx.AsyncClient, admin_headers: Headers) -> None:
        body = {**ALICE, "is_admin": True, "role": "doctor"}
        assert (await client.post("/register", json=body, headers=admin_headers)).status_code == 400

    @pytest.mark.parametrize(
        "field", ["id", "user_id", "balance", "credits", "created_at", "token_version", "password_hash", "x"]
    )
    async def test_that_do_not_exist_are_refused(self, client: httpx.AsyncClient, cast: Cast, field: str) -> None:
        before = await count(cast)
        response = await client.post("/register", json={**ALICE, field: 1})
        assert (response.status_code, response.json()["errors"][0]["type"]) == (400, "field_not_taken")
        assert await count(cast) == before

    async def test_are_not_looked_at_with_a_token_that_is_not_valid(self, client: httpx.AsyncClient) -> None:
        assert (await client.post("/register", json=ALICE, headers=bearer("nonsense"))).status_code == 401


class TestInput:
    @pytest.mark.parametrize(
        ("field", "value", "kind"),
        [
            ("username", "", "value_too_short"),
            ("username", "a" * 65, "value_too_long"),
            ("username", "a b", "username_invalid"),
            ("username", "-a", "username_invalid"),
            ("username", "аdmin", "username_invalid"),  # the first letter is Cyrillic
            ("username", "a\u0000b", "username_invalid"),
            ("username", "a\nb", "username_invalid"),
            ("username", 5, "text_expected"),
            ("username", None, "text_expected"),
            ("username", ["alice"], "text_expected"),
            ("email", "nonsense", "email_invalid"),
            ("email", "a@b@c", "email_invalid"),
            ("email", "a@\u0000", "email_invalid"),
            ("email", "é@example.com", "email_invalid"),
            ("email", "x" * 250 + "@b.c", "email_invalid"),
            ("full_name", "a\u0000b", "text_not_plain"),
            ("full_name", "\u202egnp", "text_not_plain"),
            ("is_admin", "true", "boolean_expected"),
            ("is_admin", 1, "boolean_expected"),
            ("role", "god", "not_one_of"),
            ("password", "12345", "password_too_short"),
            ("password", "x" * 129, "password_too_long"),
            ("password", "123456", "password_too_common"),
            ("password", "PassWord", "password_too_common"),
            ("password", "a good\u0000password", "text_not_plain"),
            ("password", "ALICE@example.com", "password_is_name"),
            ("password", 12345678, "text_expected"),
        ],
    )
    async def test_is_refused_by_field(self, client: httpx.AsyncClient, field: str, value: Any, kind: str) -> None:
        response = await client.post("/register", json={**ALICE, field: value})
        assert response.status_code == 400
        assert (response.json()["errors"][0]["loc"], response.json()["errors"][0]["type"]) == (["body", field], kind)

    @pytest.mark.parametrize(
        "body",
        [b"{", b"[]", b"null", b'"x"', b"\xff", b"[" * 10_000, b'{"username": "\\ud800", "password": "abcdefgh"}'],
    )
    async def test_that_is_no_object_is_refused(self, client: httpx.AsyncClient, body: bytes) -> None:
        response = await client.post("/register", content=body, headers={"Content-Type": "application/json"})
        assert response.status_code == 400

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (b'{"username": "a", "username": "b", "password": "abcdefgh"}', "duplicate_key"),
            (b'{"username": "a", "password": "abcdefgh", "role": NaN}', "json_nan"),
        ],
    )
    async def test_that_is_ambiguous_is_refused(self, client: httpx.AsyncClient, body: bytes, kind: str) -> None:
        response = await client.post("/register", content=body, headers={"Content-Type": "application/json"})
        assert (response.status_code, response.json()["errors"][0]["type"]) == (400, kind)

    async def test_of_another_type_is_refused(self, client: httpx.AsyncClient) -> None:
        assert (await client.post("/register", data=ALICE)).status_code == 415

    async def test_of_a_megabyte_is_refused_unread(self, client: httpx.AsyncClient) -> None:
        response = await client.post("/register", json={**ALICE, "password": "x" * 2**20})
        assert response.status_code == 413

    async def test_is_never_repeated(self, client: httpx.AsyncClient) -> None:
        response = await client.post("/register", json={**ALICE, "password": "canary", "canary": "canary", "role": "x"})
        assert response.status_code == 400
        assert "canary" not in response.text


class TestPasswords:
    async def test_differ_after_the_72nd_byte(self, client: httpx.AsyncClient) -> None:
        await client.post("/register", json={**ALICE, "password": "п" * 100})
        wrong = {"username": "alice", "password": "п" * 99 + "о"}
        assert (await client.post("/token", data=wrong)).status_code == 401
        assert await log_in(client, "alice", "п" * 100)

    async def test_are_the_same_however_a_keyboard_composes_them(self, client: httpx.AsyncClient) -> None:
        await client.post("/register", json={**ALICE, "password": "caf\u00e9 \u0439\u0439\u0439"})
        assert await log_in(client, "alice", "cafe\u0301 \u0438\u0306\u0438\u0306\u0438\u0306")

    async def test_may_be_of_any_script(self, client: httpx.AsyncClient) -> None:
        family = "\N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN} 心电图 пароль"
        assert (await client.post("/register", json={**ALICE, "password": family})).status_code == 201
        assert await log_in(client, "alice", family)

    @pytest.mark.parametrize("password", ["test123", "admin123", "password1", "baseball", "йцукенгш"])
    async def test_are_ruled_more_strictly_in_production(self, start: StartClient, password: str) -> None:
        client = await start(environment="production", jwt_secret_key="k" * 32, admin_password="correct horse battery")
        response = await client.post("/register", json={**ALICE, "password": password})
        assert (response.status_code, response.json()["errors"][0]["loc"]) == (400, ["body", "password"])
