"""Credits when processes are killed (the catalogue's 52 and 65): each deposit that was asked for is made once."""

import asyncio
import random
import uuid
from dataclasses import dataclass, field

import httpx
import pytest

from tests.faults.figures import PrintFigure
from tests.faults.service import Installation, Service

pytestmark = pytest.mark.heavy

N_CALLERS = 20
PASSWORD = "a good password"


@dataclass
class Payer:
    """Deposits one credit after the other, each under a key of its own."""

    user_id: int
    headers: dict[str, str]
    #: by key: whether the deposit was acknowledged
    sent: dict[str, bool] = field(default_factory=dict)

    async def pay(self, api: httpx.AsyncClient, key: str) -> httpx.Response:
        body = {"user_id": self.user_id, "amount": 1, "type": "deposit"}
        return await api.post("/transactions/deposit", json=body, headers={**self.headers, "Idempotency-Key": key})

    async def pay_until_refused(self, api: httpx.AsyncClient) -> None:
        while True:
            key = str(uuid.uuid4())
            self.sent[key] = False
            try:
                answer = await self.pay(api, key)
            except httpx.TransportError:
                return
            assert answer.status_code in {201, 503}, answer.text
            self.sent[key] = answer.status_code == 201


def connect(service: Service) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=N_CALLERS)
    return httpx.AsyncClient(base_url=f"{service.url}/api/v1", timeout=60, limits=limits)


async def log_in(api: httpx.AsyncClient, name: str) -> Payer:
    registered = await api.post("/register", json={"username": name, "password": PASSWORD})
    token = (await api.post("/token", data={"username": name, "password": PASSWORD})).json()["access_token"]
    return Payer(registered.json()["id"], {"Authorization": f"Bearer {token}"})


async def test_every_deposit_is_made_once_however_often_the_service_is_killed(
    any_installation: Installation, scale: int, print_figure: PrintFigure
) -> None:
    seed = random.randrange(2**32)
    moments = random.Random(seed)
    first = any_installation.start()
    async with connect(first) as api:
        payer = await log_in(api, "olga")
    first.kill()
    for number in range(2 * scale):
        service = any_installation.start(WORKERS=str(1 + number % 2))
        async with connect(service) as api:
            callers = [asyncio.create_task(payer.pay_until_refused(api)) for _ in range(N_CALLERS)]
            await asyncio.sleep(moments.uniform(0.3, 1.5))
            service.kill()
            await asyncio.gather(*callers)
    async with connect(any_installation.start()) as api:
        replayed = [key for key in payer.sent if "Idempotent-Replayed" in (await payer.pay(api, key)).headers]
        account = (await api.get("/users/me", headers=payer.headers)).json()
    acknowledged = {key for key, is_acknowledged in payer.sent.items() if is_acknowledged}
    print_figure(seed=seed, sent=len(payer.sent), acknowledged=len(acknowledged), replayed=len(replayed))
    assert len(acknowledged) > N_CALLERS
    assert acknowledged <= set(replayed)
    assert account["balance"] == len(payer.sent)
