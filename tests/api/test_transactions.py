"""POST /transactions/deposit, GET /transactions, and the balance beside the account."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from app.core.credits import MAX_BALANCE, MAX_DEPOSIT
from app.core.opaque import digest
from app.database.repositories.api_keys import ApiKeyRepository
from app.database.repositories.ledger import Booking, LedgerRepository
from tests.fixtures.app import JSON, StartClient
from tests.fixtures.auth import Cast, Headers, Person, bearer

ADMIN_TOKEN = "admin_secret_token_12345"
ENGLISH = {"Accept-Language": "en"}


def deposit_of(person: Person, amount: Any = 10, **more: Any) -> dict[str, Any]:
    return {"user_id": person.id, "amount": amount, "type": "deposit", **more}


async def give(cast: Cast, person: Person, amount: int) -> None:
    booking = Booking(user_id=person.id, amount=amount, created_by=None)
    ledger = LedgerRepository(cast.database)
    await cast.database.writes.run(lambda session: ledger.deposit(session, booking))


async def balance(client: httpx.AsyncClient, person: Person) -> int:
    return int((await client.get("/users/me", headers=person.headers)).json()["balance"])


@pytest.fixture
async def olga(cast: Cast) -> Person:
    return await cast.person("olga")


class TestDepositing:
    async def test_tops_up_ones_own_balance(self, client: httpx.AsyncClient, olga: Person) -> None:
        response = await client.post("/transactions/deposit", json=deposit_of(olga), headers=olga.headers)
        assert response.status_code == 201
        made = response.json()
        assert datetime.fromisoformat(made.pop("created_at")).replace(tzinfo=UTC) <= datetime.now(UTC)
        assert isinstance(made.pop("id"), int)
        assert made == {
            "user_id": olga.id,
            "type": "deposit",
            "amount": 10,
            "balance_after": 10,
            "created_by": olga.id,
            "reference": None,
            "note": None,
        }
        assert await balance(client, olga) == 10

    async def test_needs_no_type(self, client: httpx.AsyncClient, olga: Person) -> None:
        body = {"user_id": olga.id, "amount": MAX_DEPOSIT}
        assert (await client.post("/transactions/deposit", json=body, headers=olga.headers)).status_code == 201
        assert await balance(client, olga) == MAX_DEPOSIT

    async def test_lets_administrators_give_to_anybody(
        self, client: httpx.AsyncClient, cast: Cast, olga: Person
    ) -> None:
        admin = await cast.admin()
        response = await client.post("/transactions/deposit", json=deposit_of(olga), headers=admin.headers)
        assert (response.json()["user_id"], response.json()["created_by"]) == (olga.id, admin.id)
        assert (await balance(client, olga), await balance(client, admin)) == (10, 0)

    async def test_lets_the_administrators_token_give(self, start: StartClient, olga: Person) -> None:
        client = await start(admin_token=ADMIN_TOKEN, self_deposit=False)
        response = await client.post("/transactions/deposit", json=deposit_of(olga), headers=bearer(ADMIN_TOKEN))
        assert response.status_code == 201
        assert await balance(client, olga) == 10

    async def test_is_administrators_alone_where_the_service_says_so(self, start: StartClient, olga: Person) -> None:
        client = await start(self_deposit=False)
        response = await client.post("/transactions/deposit", json=deposit_of(olga), headers=olga.headers)
        assert (response.status_code, response.json()["detail"]) == (403, "Требуются права администратора")
        assert await balance(client, olga) == 0

    async def test_does_not_tell_others_accounts_from_missing_ones(
        self, client: httpx.AsyncClient, cast: Cast, olga: Person
    ) -> None:
        bob = await cast.person("bob")
        response = await client.post("/transactions/deposit", json=deposit_of(bob), headers=olga.headers)
        assert response.status_code == 404
        assert (await balance(client, olga), await balance(client, bob)) == (0, 0)

    @pytest.mark.parametrize("scopes", ["", "predict", "predict history:read"])
    async def test_is_not_for_limited_keys(
        self, client: httpx.AsyncClient, cast: Cast, olga: Person, scopes: str
    ) -> None:
        adding = ApiKeyRepository(cast.database).adding(
            olga.id,
            name="script",
            prefix="ecg_",
            key_digest=digest("ecg_script"),
            scopes=scopes,
            created_at=datetime.now(UTC),
            expires_at=None,
        )
        await cast.database.writes.run(adding)
        headers = bearer("ecg_script")
        response = await client.post("/transactions/deposit", json=deposit_of(olga), headers=headers)
        assert (response.status_code, response.json()["type"]) == (403, "/errors/login-required")
        assert (await client.get("/transactions", headers=headers)).status_code == 403

    @pytest.mark.parametrize(
        "amount",
        [
            *("0", "-1", "-0", "0.5", "10.0", "1e1", '"10"', "true", "null", "[10]", "{}", "NaN", "1e999"),
            *(str(MAX_DEPOSIT + 1), str(2**63), "9" * 4000),
        ],
    )
    async def test_takes_whole_numbers_in_bounds_alone(
        self, client: httpx.AsyncClient, olga: Person, amount: str
    ) -> None:
        body = f'{{"user_id": {olga.id}, "amount": {amount}, "type": "deposit"}}'
        response = await client.post("/transactions/deposit", content=body, headers={**olga.headers, **JSON})
        assert response.status_code == 400
        assert len(response.content) < 4096
        assert await balance(client, olga) == 0

    @pytest.mark.parametrize("number", ["0", "-1", "1.0", '"1"', "true", "null", str(2**53), str(2**63), "9" * 4000])
    async def test_takes_numbers_of_accounts_alone(
        self, client: httpx.AsyncClient, admin_headers: Headers, number: str
    ) -> None:
        body = f'{{"user_id": {number}, "amount": 10, "type": "deposit"}}'
        response = await client.post("/transactions/deposit", content=body, headers={**admin_headers, **JSON})
        assert response.status_code == 400

    @pytest.mark.parametrize(
        "more",
        [
            {"type": "withdraw"},
            {"type": "refund"},
            {"type": None},
            {"type": "DEPOSIT"},
            {"balance": 1000},
            {"balance_after": 1000},
            {"created_by": 1},
            {"reference": "prediction:1"},
            {"note": "x"},
            {"id": 1},
        ],
    )
    async def test_takes_nothing_else(self, client: httpx.AsyncClient, olga: Person, more: dict[str, Any]) -> None:
        response = await client.post("/transactions/deposit", json=deposit_of(olga, **more), headers=olga.headers)
        assert response.status_code == 400
        assert await balance(client, olga) == 0

    @pytest.mark.parametrize("body", ["", "[]", "{", "null", '{"user_id": 1, "amount": 1, "amount": 2}', "\ufeff{}"])
    async def test_refuses_what_is_no_object(self, client: httpx.AsyncClient, olga: Person, body: str) -> None:
        headers = {**olga.headers, **JSON}
        response = await client.post("/transactions/deposit", content=body.encode(), headers=headers)
        assert response.status_code == 400

    async def test_refuses_other_types(self, client: httpx.AsyncClient, olga: Person) -> None:
        response = await client.post("/transactions/deposit", data={"amount": "10"}, headers=olga.headers)
        assert response.status_code == 415

    async def test_ends_where_balances_end(self, client: httpx.AsyncClient, cast: Cast, olga: Person) -> None:
        await give(cast, olga, MAX_BALANCE - 9)
        headers = {**olga.headers, **ENGLISH}
        response = await client.post("/transactions/deposit", json=deposit_of(olga), headers=headers)
        assert (response.status_code, response.json()["type"]) == (409, "/errors/balance-limit")
        assert response.json()["detail"] == "No balance may become that large"
        assert await balance(client, olga) == MAX_BALANCE - 9


class TestListing:
    async def test_shows_ones_own_newest_first(self, client: httpx.AsyncClient, cast: Cast, olga: Person) -> None:
        await give(cast, await cast.person("bob"), 99)
        for amount in (1, 2, 3):
            await client.post("/transactions/deposit", json=deposit_of(olga, amount), headers=olga.headers)
        page = (await client.get("/transactions", headers=olga.headers)).json()
        assert page["total"] == 3
        assert [(one["amount"], one["balance_after"]) for one in page["transactions"]] == [(3, 6), (2, 3), (1, 1)]
        part = await client.get("/transactions", headers=olga.headers, params={"limit": 1, "offset": 1})
        assert part.json() == {"total": 3, "transactions": page["transactions"][1:2]}

    async def test_shows_anybodys_to_administrators(self, client: httpx.AsyncClient, cast: Cast, olga: Person) -> None:
        await give(cast, olga, 5)
        admin = await cast.admin()
        theirs = (await client.get("/transactions", headers=admin.headers, params={"user_id": olga.id})).json()
        assert (theirs["total"], theirs["transactions"][0]["created_by"]) == (1, None)
        own = (await client.get("/transactions", headers=admin.headers)).json()
        assert own == {"total": 0, "transactions": []}

    @pytest.mark.parametrize(
        "query",
        ["limit=0", "limit=1001", "limit=x", "offset=-1", f"offset={2**63}", "user_id=0", "user_id=x", "user_id=1.5"],
    )
    async def test_refuses_pages_that_cannot_be(self, client: httpx.AsyncClient, olga: Person, query: str) -> None:
        assert (await client.get(f"/transactions?{query}", headers=olga.headers)).status_code == 400


class TestBalance:
    async def test_stands_beside_every_account_and_changes_with_none(
        self, client: httpx.AsyncClient, cast: Cast, olga: Person, admin_headers: Headers
    ) -> None:
        await give(cast, olga, 25)
        address = f"/users/{olga.id}"
        changed = await client.put(address, json={"full_name": "Ольга Ли"}, headers=olga.headers)
        listed = (await client.get("/users/", headers=admin_headers)).json()["users"]
        shown = [
            (await client.get("/users/me", headers=olga.headers)).json(),
            (await client.get(address, headers=admin_headers)).json(),
            changed.json(),
            *(user for user in listed if user["id"] == olga.id),
        ]
        assert [one["balance"] for one in shown] == [25] * 4

    @pytest.mark.parametrize("who", ["olga", "admin"])
    async def test_is_nobodys_to_write(
        self, client: httpx.AsyncClient, cast: Cast, olga: Person, admin_headers: Headers, who: str
    ) -> None:
        headers = olga.headers if who == "olga" else admin_headers
        response = await client.put(f"/users/{olga.id}", json={"balance": 1000}, headers=headers)
        assert response.status_code == 400
        assert await balance(client, olga) == 0
