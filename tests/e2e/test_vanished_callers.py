"""Callers who hang up as soon as they have sent (the catalogue's 66): what they asked for is done, once."""

import json
import time
from collections.abc import Callable

import httpx

from tests.fixtures.server import LiveApp

DONE_WITHIN_S = 30
N_CALLERS = 20


def log_in(api: httpx.Client) -> tuple[int, dict[str, str]]:
    number = api.post("/register", json={"username": "olga", "password": "a good password"}).json()["id"]
    token = api.post("/token", data={"username": "olga", "password": "a good password"}).json()["access_token"]
    return number, {"Authorization": f"Bearer {token}"}


def send_and_vanish(app: LiveApp, headers: dict[str, str], key: str, body: bytes) -> None:
    fields = {
        **headers,
        "Host": "localhost",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Idempotency-Key": key,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    with app.connect() as connection:
        connection.sendall(f"POST /api/v1/transactions/deposit HTTP/1.1\r\n{head}\r\n".encode() + body)


def test_find_it_done_once_when_they_ask_again(serve: Callable[..., LiveApp]) -> None:
    app = serve()
    with httpx.Client(base_url=f"{app.url}/api/v1") as api:
        number, headers = log_in(api)
        body = json.dumps({"user_id": number, "amount": 1, "type": "deposit"}).encode()
        keys = [f"caller {caller}" for caller in range(N_CALLERS)]
        for key in keys:
            send_and_vanish(app, headers, key, body)
        deadline_s = time.monotonic() + DONE_WITHIN_S
        while (balance := api.get("/users/me", headers=headers).json()["balance"]) < N_CALLERS:
            assert time.monotonic() < deadline_s, f"only {balance} of {N_CALLERS} were done"
            time.sleep(0.02)
        for key in keys:
            sent = {**headers, "Idempotency-Key": key, "Content-Type": "application/json"}
            again = api.post("/transactions/deposit", content=body, headers=sent)
            assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
        assert api.get("/users/me", headers=headers).json()["balance"] == N_CALLERS
