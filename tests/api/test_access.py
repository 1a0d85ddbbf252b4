"""Who may do what: a row for every route; a route without one fails."""

import httpx
import pytest

from app.application import create_app
from app.core.config import Settings
from tests.fixtures.app import StartClient

ACCESS = {
    # method and path: status for anonymous, for a user, for an administrator
    ("GET", "/"): (200, 200, 200),
    ("GET", "/errors"): (200, 200, 200),
    ("GET", "/errors/{code}"): (200, 200, 200),
    ("GET", "/health/live"): (200, 200, 200),
    ("GET", "/health/ready"): (200, 200, 200),
    ("GET", "/api/v1/health"): (200, 200, 200),
    ("POST", "/api/v1/forward"): (415, 415, 415),
    ("POST", "/api/v1/forward/batch"): (415, 415, 415),
    ("GET", "/api/v1/history"): (200, 200, 200),
    ("DELETE", "/api/v1/history"): (401, 403, 200),
    ("GET", "/api/v1/stats"): (401, 403, 200),
    ("POST", "/api/v1/auth/login"): (415, 415, 415),
    ("GET", "/api/v1/auth/me"): (401, 200, 200),
    ("GET", "/v2"): (200, 200, 200),
    ("GET", "/v2/health/live"): (200, 200, 200),
    ("GET", "/v2/health/ready"): (200, 200, 200),
    ("GET", "/v2/models/{name}"): (200, 200, 200),
    ("GET", "/v2/models/{name}/ready"): (200, 200, 200),
    ("POST", "/v2/models/{name}/infer"): (400, 400, 400),
    ("GET", "/v2/models/{name}/versions/{version}"): (200, 200, 200),
    ("GET", "/v2/models/{name}/versions/{version}/ready"): (200, 200, 200),
    ("POST", "/v2/models/{name}/versions/{version}/infer"): (400, 400, 400),
}
CLOSED_HISTORY = {("GET", "/api/v1/history"): (401, 403, 200)}

Headers = dict[str, str]
Row = tuple[int, int, int]


def test_has_a_row_for_every_route() -> None:
    paths = create_app(Settings(_env_file=None)).openapi()["paths"]
    routes = {(method.upper(), path) for path, operations in paths.items() for method in operations}
    assert routes == set(ACCESS)


async def check(client: httpx.AsyncClient, route: tuple[str, str], row: Row, user: Headers, admin: Headers) -> None:
    method, path = route
    url = "http://testserver" + path.format(code="overloaded", name="ecg", version="rate-1")
    statuses = [(await client.request(method, url, headers=headers)).status_code for headers in ({}, user, admin)]
    assert tuple(statuses) == row


@pytest.mark.parametrize(("route", "row"), ACCESS.items(), ids=[" ".join(route) for route in ACCESS])
async def test_lets_in_whom_the_table_says(
    client: httpx.AsyncClient, route: tuple[str, str], row: Row, user_headers: Headers, admin_headers: Headers
) -> None:
    await check(client, route, row, user_headers, admin_headers)


@pytest.mark.parametrize(("route", "row"), CLOSED_HISTORY.items(), ids=["GET /api/v1/history"])
async def test_closes_the_history_where_it_is_told_to(
    start: StartClient, route: tuple[str, str], row: Row, user_headers: Headers, admin_headers: Headers
) -> None:
    client = await start(history_access="admin")
    await check(client, route, row, user_headers, admin_headers)
