"""Who may do what to whose: a row for every route, and a route without one fails.

The thing an address names belongs to the owner, to the caller, or does not exist. What a stranger may not see is
answered as what does not exist.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import httpx
import pytest

from app.application import create_app
from app.core.config import Settings
from app.database.repositories.api_keys import ApiKeyRepository
from app.database.repositories.appointments import AppointmentFilter, AppointmentRepository
from tests.fixtures.app import StartClient
from tests.fixtures.appointments import add_appointment
from tests.fixtures.auth import Cast, Headers, Person

CALLERS = {"anonymous": None, "owner": "patient", "stranger": "patient", "doctor": "doctor", "admin": "admin"}
"""Whoever calls, and with which role."""
MISSING = 987_654
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).date()

Statuses = tuple[int, int, int, int, int]
Whose = Literal["owner's", "own", "missing"]
Route = tuple[str, str]
MakeThing = Callable[[Cast, Person], Awaitable[int]]


@dataclass(frozen=True, kw_only=True)
class Things:
    """Statuses where the address names a thing; nobody anonymous has one, so they are sent to the owner's."""

    owners: Statuses
    own: Statuses
    missing: Statuses

    def of(self, whose: Whose) -> Statuses:
        return {"owner's": self.owners, "own": self.own, "missing": self.missing}[whose]


ACCESS: dict[Route, Statuses | Things] = {
    # method and path: status for anonymous, owner, stranger, doctor, admin
    ("GET", "/"): (200, 200, 200, 200, 200),
    ("GET", "/errors"): (200, 200, 200, 200, 200),
    ("GET", "/errors/{code}"): (200, 200, 200, 200, 200),
    ("GET", "/health/live"): (200, 200, 200, 200, 200),
    ("GET", "/health/ready"): (200, 200, 200, 200, 200),
    ("GET", "/api/v1/health"): (200, 200, 200, 200, 200),
    ("POST", "/api/v1/forward"): (415, 415, 415, 415, 415),
    ("POST", "/api/v1/forward/batch"): (415, 415, 415, 415, 415),
    ("GET", "/api/v1/history"): (200, 200, 200, 200, 200),
    ("DELETE", "/api/v1/history"): (401, 403, 403, 403, 200),
    ("GET", "/api/v1/stats"): (401, 403, 403, 403, 200),
    ("POST", "/api/v1/auth/login"): (415, 415, 415, 415, 415),
    ("POST", "/api/v1/token"): (415, 415, 415, 415, 415),
    ("GET", "/api/v1/auth/me"): (401, 200, 200, 200, 200),
    ("GET", "/api/v1/private"): (401, 200, 200, 200, 200),
    # an access token is no refresh token, whoever holds it
    ("GET", "/api/v1/auth/refresh"): (401, 401, 401, 401, 401),
    ("POST", "/api/v1/auth/refresh"): (401, 401, 401, 401, 401),
    ("POST", "/api/v1/auth/logout"): (401, 204, 204, 204, 204),
    ("POST", "/api/v1/auth/logout-all"): (401, 204, 204, 204, 204),
    ("POST", "/api/v1/auth/password"): (401, 200, 200, 200, 409),
    ("POST", "/api/v1/auth/keys"): (401, 201, 201, 201, 201),
    ("GET", "/api/v1/auth/keys"): (401, 200, 200, 200, 200),
    ("DELETE", "/api/v1/auth/keys/{key_id}"): Things(
        owners=(401, 204, 404, 404, 204), own=(401, 204, 204, 204, 204), missing=(401, 404, 404, 404, 404)
    ),
    # with a role, which is administrators' to give
    ("POST", "/api/v1/auth/register"): (403, 403, 403, 403, 201),
    ("POST", "/api/v1/register"): (403, 403, 403, 403, 201),
    ("GET", "/api/v1/users/me"): (401, 200, 200, 200, 200),
    ("PUT", "/api/v1/users/me"): (401, 200, 200, 200, 200),
    ("GET", "/api/v1/users"): (401, 403, 403, 403, 200),
    ("GET", "/api/v1/users/"): (401, 403, 403, 403, 200),
    ("GET", "/api/v1/users/{user_id}"): Things(
        owners=(401, 200, 404, 404, 200), own=(401, 200, 200, 200, 200), missing=(401, 404, 404, 404, 404)
    ),
    ("PUT", "/api/v1/users/{user_id}"): Things(
        owners=(401, 200, 404, 404, 200), own=(401, 200, 200, 200, 200), missing=(401, 404, 404, 404, 404)
    ),
    ("POST", "/api/v1/transactions/deposit"): Things(
        owners=(401, 201, 404, 404, 201), own=(401, 201, 201, 201, 201), missing=(401, 404, 404, 404, 404)
    ),
    ("GET", "/api/v1/transactions"): Things(
        owners=(401, 200, 404, 404, 200), own=(401, 200, 200, 200, 200), missing=(401, 404, 404, 404, 404)
    ),
    ("GET", "/api/v1/appointments"): (401, 200, 200, 200, 200),
    # with a doctor who is none, which is looked at last
    ("POST", "/api/v1/appointments"): (401, 400, 400, 400, 400),
    ("GET", "/api/v1/appointments/{appointment_id}"): Things(
        owners=(401, 200, 404, 404, 200), own=(401, 200, 200, 200, 200), missing=(401, 404, 404, 404, 404)
    ),
    ("GET", "/api/v1/appointments.ics"): (401, 200, 200, 200, 200),
    ("GET", "/api/v1/appointments/{appointment_id}.ics"): Things(
        owners=(401, 200, 404, 404, 200), own=(401, 200, 200, 200, 200), missing=(401, 404, 404, 404, 404)
    ),
    ("PUT", "/api/v1/appointments/{appointment_id}"): Things(
        owners=(401, 200, 404, 404, 200), own=(401, 200, 200, 200, 200), missing=(401, 404, 404, 404, 404)
    ),
    ("DELETE", "/api/v1/appointments/{appointment_id}"): Things(
        owners=(401, 204, 404, 404, 204), own=(401, 204, 204, 204, 204), missing=(401, 404, 404, 404, 404)
    ),
    ("GET", "/v2"): (200, 200, 200, 200, 200),
    ("GET", "/v2/health/live"): (200, 200, 200, 200, 200),
    ("GET", "/v2/health/ready"): (200, 200, 200, 200, 200),
    ("GET", "/v2/models/{name}"): (200, 200, 200, 200, 200),
    ("GET", "/v2/models/{name}/ready"): (200, 200, 200, 200, 200),
    ("POST", "/v2/models/{name}/infer"): (400, 400, 400, 400, 400),
    ("GET", "/v2/models/{name}/versions/{version}"): (200, 200, 200, 200, 200),
    ("GET", "/v2/models/{name}/versions/{version}/ready"): (200, 200, 200, 200, 200),
    ("POST", "/v2/models/{name}/versions/{version}/infer"): (400, 400, 400, 400, 400),
}
CLOSED_HISTORY: Statuses = (401, 403, 403, 403, 200)
CLOSED_REGISTRATION: Statuses = (401, 403, 403, 403, 201)
CLOSED_DEPOSITS = Things(
    owners=(401, 403, 403, 403, 201), own=(401, 403, 403, 403, 201), missing=(401, 403, 403, 403, 404)
)

BODIES: dict[Route, Any] = {
    ("POST", "/api/v1/auth/password"): {"current_password": "admin123", "new_password": "another password"},
    ("POST", "/api/v1/auth/keys"): {"name": "script", "scopes": ["predict"]},
    ("POST", "/api/v1/auth/register"): {"username": "newcomer", "password": "a good password", "role": "doctor"},
    ("POST", "/api/v1/register"): {"username": "newcomer", "password": "a good password", "role": "doctor"},
    ("PUT", "/api/v1/users/me"): {"full_name": "Somebody Else"},
    ("PUT", "/api/v1/users/{user_id}"): {"full_name": "Somebody Else"},
    ("POST", "/api/v1/transactions/deposit"): {"amount": 10, "type": "deposit"},
    ("POST", "/api/v1/appointments"): {
        "doctor_id": MISSING,
        "starts_at": f"{TOMORROW}T10:00Z",
        "ends_at": f"{TOMORROW}T10:30Z",
    },
    ("PUT", "/api/v1/appointments/{appointment_id}"): {"note": "fasting"},
}
"""Valid requests, where an empty one would be refused before anybody looks who sent it."""


IN_BODY = {("POST", "/api/v1/transactions/deposit"): "user_id"}
IN_QUERY = {("GET", "/api/v1/transactions"): "user_id"}
"""Where a thing is not named by the address itself."""


async def make_key(cast: Cast, person: Person) -> int:
    keys = ApiKeyRepository(cast.database)
    number = len((await keys.page(person.id, limit=1000, offset=0)).keys)
    adding = keys.adding(
        person.id,
        name="script",
        prefix="ecg_",
        key_digest=f"{person.id}-{number}",
        scopes="predict",
        created_at=datetime.now(UTC),
        expires_at=None,
    )
    return (await cast.database.writes.run(adding)).id


async def make_appointment(cast: Cast, person: Person) -> int:
    doctor = await cast.person(f"doctor of {person.id}", "doctor")
    wanted = AppointmentFilter(patient_id=person.id)
    page = await AppointmentRepository(cast.database).page(wanted, limit=1, offset=0, seen_by=None)
    starts_at = datetime.now(UTC) + timedelta(days=1, hours=page.total)
    return (await add_appointment(cast.database, patient_id=person.id, doctor_id=doctor.id, starts_at=starts_at)).id


async def name_account(_cast: Cast, person: Person) -> int:
    return person.id


THINGS: dict[str, MakeThing] = {"user_id": name_account, "key_id": make_key, "appointment_id": make_appointment}
"""How somebody comes to have what an address names."""


def routes() -> set[Route]:
    paths = create_app(Settings(_env_file=None)).openapi()["paths"]
    return {(method.upper(), path) for path, operations in paths.items() for method in operations}


def with_things() -> list[tuple[Route, Whose, Statuses]]:
    whose: tuple[Whose, ...] = ("owner's", "own", "missing")
    return [(route, one, row.of(one)) for route, row in ACCESS.items() if isinstance(row, Things) for one in whose]


def test_has_a_row_for_every_route() -> None:
    assert routes() == set(ACCESS)


def test_knows_the_thing_of_every_address_that_names_one() -> None:
    elsewhere = {**IN_BODY, **IN_QUERY}
    named = {
        route: [name for name in THINGS if f"{{{name}}}" in route[1] or elsewhere.get(route) == name]
        for route in ACCESS
    }
    assert {name for names in named.values() for name in names} == set(THINGS)
    assert all(isinstance(ACCESS[route], Things) == bool(names) for route, names in named.items())


async def headers_of(cast: Cast, caller: str) -> Headers:
    role = CALLERS[caller]
    return (await cast.person(caller, role)).headers if role else {}


async def send(client: httpx.AsyncClient, route: Route, headers: Headers, things: dict[str, int]) -> httpx.Response:
    method, path = route
    url = "http://testserver" + path.format(code="overloaded", name="ecg", version="rate-1", **things)
    body, query = BODIES.get(route), None
    if name := IN_BODY.get(route):
        body = {**(body or {}), name: things[name]}
    if name := IN_QUERY.get(route):
        query = {name: things[name]}
    return await client.request(method, url, headers=headers, json=body, params=query)


async def ask(client: httpx.AsyncClient, route: Route, headers: Headers, things: dict[str, int]) -> int:
    return (await send(client, route, headers, things)).status_code


async def check(client: httpx.AsyncClient, cast: Cast, route: Route, row: Statuses) -> None:
    statuses = [await ask(client, route, await headers_of(cast, caller), {}) for caller in CALLERS]
    assert tuple(statuses) == row


PLAIN = {route: row for route, row in ACCESS.items() if not isinstance(row, Things)}


@pytest.mark.parametrize(("route", "row"), PLAIN.items(), ids=[" ".join(route) for route in PLAIN])
async def test_lets_in_whom_the_table_says(client: httpx.AsyncClient, cast: Cast, route: Route, row: Statuses) -> None:
    await check(client, cast, route, row)


async def check_things(client: httpx.AsyncClient, cast: Cast, route: Route, whose: Whose, row: Statuses) -> None:
    statuses = []
    for caller, role in CALLERS.items():
        is_own = whose == "own" and role is not None
        has = await cast.person(caller, role or "") if is_own else await cast.person("owner")
        things = {name: MISSING if whose == "missing" else await make(cast, has) for name, make in THINGS.items()}
        statuses.append(await ask(client, route, await headers_of(cast, caller), things))
    assert tuple(statuses) == row


@pytest.mark.parametrize(("route", "whose", "row"), with_things())
async def test_shows_to_whom_the_table_says(
    client: httpx.AsyncClient, cast: Cast, route: Route, whose: Whose, row: Statuses
) -> None:
    await check_things(client, cast, route, whose, row)


@pytest.mark.parametrize("route", [route for route, row in ACCESS.items() if isinstance(row, Things)])
async def test_answers_what_is_somebody_elses_as_what_does_not_exist(
    client: httpx.AsyncClient, cast: Cast, route: Route
) -> None:
    stranger, owner = await cast.person("stranger"), await cast.person("owner")
    answers = []
    for number in (await THINGS["user_id"](cast, owner), MISSING):
        response = await send(client, route, stranger.headers, dict.fromkeys(THINGS, number))
        answers.append({**response.json(), "instance": None})
    assert answers[0] == answers[1]
    assert answers[0]["status"] == 404


async def test_closes_the_history_where_it_is_told_to(start: StartClient, cast: Cast) -> None:
    client = await start(history_access="admin")
    await check(client, cast, ("GET", "/api/v1/history"), CLOSED_HISTORY)


async def test_closes_registration_where_it_is_told_to(start: StartClient, cast: Cast) -> None:
    client = await start(registration="admin")
    await check(client, cast, ("POST", "/api/v1/auth/register"), CLOSED_REGISTRATION)


@pytest.mark.parametrize("whose", ["owner's", "own", "missing"])
async def test_closes_deposits_where_it_is_told_to(start: StartClient, cast: Cast, whose: Whose) -> None:
    client = await start(self_deposit=False)
    await check_things(client, cast, ("POST", "/api/v1/transactions/deposit"), whose, CLOSED_DEPOSITS.of(whose))
