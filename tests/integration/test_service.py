"""The whole service on both databases: what it is told, it tells again."""

from pathlib import Path

import httpx
import numpy as np

from tests.fixtures.app import JSON, StartClient
from tests.fixtures.auth import log_in
from tests.fixtures.ecg import encode, make_request, make_signal


def body(*heart_rates_bpm: float) -> bytes:
    """Return a batch of small ECGs."""
    samples = [
        make_request(make_signal(heart_rate_bpm=rate)[:2500:5], sampling_rate_hz=100, age=index)
        for index, rate in enumerate(heart_rates_bpm)
    ]
    return encode({"samples": samples})


async def post_all(client: httpx.AsyncClient) -> None:
    await client.post("/forward/batch", content=body(70, 130, 70), headers=JSON)
    await client.post("/forward", content=encode(make_request(np.zeros((5000, 12)))), headers=JSON)
    await client.post("/forward", content=b'{"age": 1e999, "heart_axis": "\\u0000"}', headers=JSON)
    await client.post("/forward", content=encode({"age": 33, "heart_axis": "\0"}), headers=JSON)


async def test_records_pages_counts_and_erases(start: StartClient, database_url: str) -> None:
    client = await start(database_url=database_url)
    admin_headers = await log_in(client)
    await post_all(client)

    page = (await client.get("/history", params={"limit": 4, "offset": 0})).json()
    assert page["total"] == 6
    assert [record["status_code"] for record in page["records"]] == [400, 400, 403, 200]
    assert [record["age"] for record in page["records"]] == [33.0, None, 55.0, 2.0]

    stats = (await client.get("/stats", headers=admin_headers)).json()
    assert (stats["total_requests"], stats["successful_requests"], stats["failed_requests"]) == (6, 3, 3)
    assert stats["class_distribution"] == {"N": 2, "S": 1}
    assert stats["input_stats"]["age"]["max"] == 55.0
    assert stats["processing_time"]["p50_ms"] > 0

    erased = await client.request("DELETE", "/history", headers=admin_headers)
    assert erased.json()["deleted_count"] == 6
    assert (await client.get("/history")).json() == {"total": 0, "records": []}


async def test_is_ready_on_both(start: StartClient, database_url: str) -> None:
    client = await start(database_url=database_url)
    assert (await client.get("http://testserver/health/ready")).status_code == 200


async def test_answers_503_when_the_server_is_gone(start: StartClient) -> None:
    client = await start(database_url="postgresql+asyncpg://nobody@127.0.0.1:1/nothing")
    refused = await client.post("/forward", content=encode(make_request()), headers=JSON)
    assert (refused.status_code, refused.json()["type"]) == (503, "/errors/storage-unavailable")
    assert (await client.get("/health")).status_code == 200
    assert (await client.get("/history")).status_code == 503


async def test_answers_503_when_its_file_is_deleted(start: StartClient, tmp_path: Path) -> None:
    client = await start()
    answered = await client.post("/forward", content=encode(make_request()), headers=JSON)
    assert answered.status_code == 200
    for name in ("history.db", "history.db-wal", "history.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    refused = await client.post("/forward", content=encode(make_request()), headers=JSON)
    assert (refused.status_code, refused.json()["type"]) == (503, "/errors/storage-unavailable")
    assert (await client.get("/history")).status_code == 503
    ready = await client.get("http://testserver/health/ready")
    assert (ready.status_code, ready.json()["checks"]["database_writable"]) == (503, False)
