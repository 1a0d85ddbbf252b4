"""`Idempotency-Key` over HTTP."""

import asyncio
from collections import Counter

import httpx
import pytest
from sqlalchemy import text

from tests.fixtures.app import JSON, StartClient
from tests.fixtures.auth import Cast, Headers, Person, bearer, log_in

MANY = 50


@pytest.fixture
async def olga(cast: Cast) -> Person:
    return await cast.person("olga")


def keyed(person: Person, key: str = "6f9f4d5e", **more: str) -> Headers:
    return {**person.headers, "Idempotency-Key": key, **more}


async def deposit(client: httpx.AsyncClient, headers: Headers, user_id: int, amount: int = 10) -> httpx.Response:
    body = {"user_id": user_id, "amount": amount, "type": "deposit"}
    return await client.post("/transactions/deposit", json=body, headers=headers)


async def balance(client: httpx.AsyncClient, person: Person) -> int:
    return int((await client.get("/users/me", headers=person.headers)).json()["balance"])


def without_ids(response: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    """Return what must be the same of an answer that is given again."""
    own = {"x-request-id", "server-timing", "idempotent-replayed"}
    return response.status_code, response.content, {k: v for k, v in response.headers.items() if k not in own}


class TestDeposit:
    async def test_that_is_sent_again_is_answered_again(self, client: httpx.AsyncClient, olga: Person) -> None:
        answers = [await deposit(client, keyed(olga), olga.id) for _ in range(3)]
        assert [answer.headers.get("Idempotent-Replayed") for answer in answers] == [None, "true", "true"]
        assert without_ids(answers[0]) == without_ids(answers[1]) == without_ids(answers[2])
        assert answers[0].status_code == 201
        assert answers[0].headers["content-type"] == "application/json"
        assert await balance(client, olga) == 10

    async def test_by_fifty_at_once_is_made_once(self, start: StartClient, database_url: str) -> None:
        client = await start(database_url=database_url)
        registered = await client.post("/register", json={"username": "olga", "password": "a good password"})
        token = await client.post("/token", data={"username": "olga", "password": "a good password"})
        headers = {**bearer(token.json()["access_token"]), "Idempotency-Key": "key"}
        number = registered.json()["id"]
        answers = await asyncio.gather(*(deposit(client, headers, number) for _ in range(MANY)))
        assert len({without_ids(answer)[:2] for answer in answers}) == 1
        assert Counter(answer.headers.get("Idempotent-Replayed") for answer in answers) == {None: 1, "true": MANY - 1}
        assert (await client.get("/users/me", headers=headers)).json()["balance"] == 10

    async def test_may_be_written_in_another_way(self, client: httpx.AsyncClient, olga: Person) -> None:
        await deposit(client, keyed(olga), olga.id)
        body = f'{{ "amount":10,\n "user_id":{olga.id} }}'
        again = await client.post("/transactions/deposit", content=body, headers=keyed(olga, **JSON))
        assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")

    async def test_with_the_key_of_another_one_is_a_conflict(self, client: httpx.AsyncClient, olga: Person) -> None:
        await deposit(client, keyed(olga), olga.id)
        answer = await deposit(client, keyed(olga, **{"Accept-Language": "en"}), olga.id, amount=11)
        assert (answer.status_code, answer.json()["type"]) == (409, "/errors/idempotency-key-reused")
        assert answer.json()["detail"] == "This Idempotency-Key was given to another request"
        assert await balance(client, olga) == 10

    async def test_of_somebody_else_is_another_one(self, client: httpx.AsyncClient, cast: Cast, olga: Person) -> None:
        bob = await cast.person("bob")
        answers = [await deposit(client, keyed(one), one.id) for one in (olga, bob)]
        assert ["Idempotent-Replayed" in answer.headers for answer in answers] == [False, False]
        assert (await balance(client, olga), await balance(client, bob)) == (10, 10)

    async def test_that_was_refused_is_refused_again(self, client: httpx.AsyncClient, cast: Cast) -> None:
        admin = await cast.admin()
        answers = [await deposit(client, keyed(admin), 987_654) for _ in range(2)]
        assert without_ids(answers[0]) == without_ids(answers[1])
        assert (answers[1].status_code, answers[1].headers["Idempotent-Replayed"]) == (404, "true")
        assert answers[1].headers["content-type"] == "application/problem+json"

    async def test_that_was_not_begun_leaves_the_key_free(self, client: httpx.AsyncClient, olga: Person) -> None:
        assert (await deposit(client, keyed(olga), olga.id, amount=0)).status_code == 400
        assert (await deposit(client, keyed(olga), olga.id + 1)).status_code == 404
        assert (await deposit(client, keyed(olga), olga.id)).status_code == 201

    async def test_is_not_shown_to_whoever_lost_the_right(self, start: StartClient, olga: Person) -> None:
        assert (await deposit(await start(), keyed(olga), olga.id)).status_code == 201
        assert (await deposit(await start(self_deposit=False), keyed(olga), olga.id)).status_code == 403


class TestKey:
    @pytest.mark.parametrize("key", [b"", b"k" * 256, b"\xc3\xa9", b"a\tb", b"\x7f", b"\xff"])
    async def test_of_another_form_is_refused(self, client: httpx.AsyncClient, olga: Person, key: bytes) -> None:
        headers = [(b"Authorization", olga.headers["Authorization"].encode()), (b"Idempotency-Key", key)]
        body = {"user_id": olga.id, "amount": 10}
        answer = await client.post("/transactions/deposit", json=body, headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (400, ["header", "Idempotency-Key"])
        assert await balance(client, olga) == 0

    async def test_may_be_given_once(self, client: httpx.AsyncClient, olga: Person) -> None:
        headers = [*olga.headers.items(), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
        answer = await client.post("/transactions/deposit", json={"user_id": olga.id, "amount": 10}, headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["type"]) == (400, "duplicate_key")

    @pytest.mark.parametrize("key", ["k" * 255, "a b", "'; DROP TABLE users; --", '"quoted"', "~"])
    async def test_is_any_printable_text(self, client: httpx.AsyncClient, olga: Person, key: str) -> None:
        answers = [await deposit(client, keyed(olga, key), olga.id) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 201]
        assert await balance(client, olga) == 10


class TestApiKeys:
    async def test_are_shown_once_and_never_remembered(
        self, client: httpx.AsyncClient, cast: Cast, olga: Person
    ) -> None:
        body = {"name": "script", "scopes": ["predict"]}
        first, again = [await client.post("/auth/keys", json=body, headers=keyed(olga)) for _ in range(2)]
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json()["key"].startswith("ecg_")
        assert again.json() == {**first.json(), "key": None}
        assert again.headers["Idempotent-Replayed"] == "true"
        assert (await client.get("/auth/keys", headers=olga.headers)).json()["total"] == 1
        async with cast.database.read() as session:
            kept = str((await session.execute(text("SELECT * FROM idempotency_keys"))).all())
        assert first.json()["key"] not in kept
        assert first.json()["prefix"] in kept

    async def test_are_made_by_many_at_once_none_of_whom_waits_in_a_ring(
        self, start: StartClient, database_url: str
    ) -> None:
        client = await start(database_url=database_url)
        headers = await log_in(client)
        body = {"name": "script", "scopes": []}
        answers = await asyncio.gather(
            *(client.post("/auth/keys", json=body, headers={**headers, "Idempotency-Key": str(n)}) for n in range(20))
        )
        assert Counter(answer.status_code for answer in answers) == {201: 20}


async def test_browsers_of_allowed_pages_may_send_and_read_it(start: StartClient) -> None:
    client = await start(cors_allow_origins="https://clinic.example")
    asked = {
        "Origin": "https://clinic.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "idempotency-key",
    }
    answer = await client.options("/transactions/deposit", headers=asked)
    assert "Idempotency-Key" in answer.headers["Access-Control-Allow-Headers"]
    shown = await client.get("/health", headers={"Origin": "https://clinic.example"})
    assert "Idempotent-Replayed" in shown.headers["Access-Control-Expose-Headers"]
