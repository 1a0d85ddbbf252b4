"""Recordings of real people on their way through the API."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.core.constants import CLASS_NAMES
from app.ecg.record import HEART_AXES
from app.ml import artifact
from tests.fixtures.app import JSON, StartClient
from tests.fixtures.ecg import encode, encode_npy

pytestmark = pytest.mark.shared

N_CAST = 24
MODEL = Path(__file__).resolve().parents[2] / "app" / "ml_artifacts" / "model.pkl"


@pytest.fixture(scope="module")
def cast(shared_dir: Path) -> list[dict[str, Any]]:
    """Requests made of unfiltered recordings whose patient is fully known or nearly so."""
    return list(_requests(shared_dir / "data" / "ptbxl"))


def _requests(folder: Path) -> Iterator[dict[str, Any]]:
    with (folder / "records.csv").open(newline="") as file:
        rows = {int(row["ecg_id"]): row for row in csv.DictReader(file)}
    packed = np.load(folder / "raw_500hz.npz")
    step = len(packed["ecg_id"]) // N_CAST
    for ecg_id, delta in zip(packed["ecg_id"][::step], packed["delta"][::step], strict=True):
        row = rows[int(ecg_id)]
        axis = row["heart_axis"]
        yield {
            "age": min(float(row["age"] or 60), 90.0),
            "sex": 1 - int(float(row["sex"])),
            "height": float(row["height"] or 170),
            "weight": float(row["weight"] or 75),
            "heart_axis": axis if axis in HEART_AXES else "NO_DATA",
            "ecg_signal": (np.cumsum(delta, axis=1, dtype=np.int16).T / 1000).round(3),
        }


def as_json(request: dict[str, Any]) -> bytes:
    return encode({**request, "ecg_signal": request["ecg_signal"].tolist()})


async def test_every_recording_is_classified_and_measured(start: StartClient, cast: list[dict[str, Any]]) -> None:
    client = await start()
    for request in cast:
        response = await client.post("/forward", content=as_json(request), headers=JSON, params={"details": "true"})
        answer = response.json()
        assert response.status_code == 200, answer
        assert 30 < answer["measurements"]["heart_rate_bpm"] < 200
        assert 50 < answer["measurements"]["qrs_duration_ms"] < 250


async def test_a_batch_of_them_answers_as_each_alone(start: StartClient, cast: list[dict[str, Any]]) -> None:
    client = await start()
    bodies = [as_json(request) for request in cast[:8]]
    alone = [(await client.post("/forward", content=body, headers=JSON)).json() for body in bodies]
    batch = b'{"samples": [' + b",".join(bodies) + b"]}"
    together = (await client.post("/forward/batch", content=batch, headers=JSON)).json()
    assert together == {"predictions": alone}


async def test_the_bundled_model_answers_each_with_one_of_its_classes(
    start: StartClient, cast: list[dict[str, Any]]
) -> None:
    client = await start(load_model=artifact.load, model_path=MODEL)
    names = []
    for request in cast:
        signal = request["ecg_signal"].astype(np.float32)
        query = {name: value for name, value in request.items() if name != "ecg_signal"}
        json_answer = (await client.post("/forward", content=as_json(request), headers=JSON)).json()
        npy_answer = (
            await client.post(
                "/forward", content=encode_npy(signal), headers={"Content-Type": "application/x-npy"}, params=query
            )
        ).json()
        assert json_answer == npy_answer
        names.append(json_answer["class_name"])
    assert set(names) <= set(CLASS_NAMES)
    assert len(set(names)) > 1
