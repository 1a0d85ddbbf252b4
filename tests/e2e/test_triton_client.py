"""The Open Inference Protocol through Triton's own client, against a real server."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from tests.fixtures.server import PROJECT_DIR, Service, StartService

Scenario = Callable[[str], Any]


def run_client(scenario: str, url: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fixtures.triton_client", scenario, url.removeprefix("http://")],
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def service(start_service: StartService) -> Service:
    return start_service()


@pytest.fixture(scope="module")
def client(service: Service) -> Scenario:
    return lambda scenario: run_client(scenario, service.url)


def test_sees_a_server_and_a_model_that_are_ready(client: Scenario) -> None:
    state = client("state")
    assert (state["live"], state["ready"], state["model_ready"], state["version_ready"]) == (True,) * 4
    assert (state["other_version_ready"], state["other_model_ready"]) == (False, False)
    assert state["server"]["extensions"] == ["binary_tensor_data"]
    assert state["model"] == state["model_by_version"]
    assert state["model"]["inputs"][0] == {"name": "ecg_signal", "datatype": "FP32", "shape": [-1, 5000, 12]}
    assert [output["name"] for output in state["model"]["outputs"]] == ["probabilities", "class_index", "class_name"]


def test_sees_a_server_without_a_model(start_service: StartService) -> None:
    state = run_client("without_model", start_service(MODEL_PATH="nowhere.pkl").url)
    assert (state["live"], state["ready"], state["model_ready"]) == (True, False, False)
    assert state["metadata"] == state["infer"] == {"status": "503", "message": "Модель не загружена"}


def test_is_answered_the_same_in_json_and_bytes_compressed_or_not(client: Scenario, service: Service) -> None:
    found = client("infer")
    assert set(found) == {"binary None", "binary gzip", "json None", "json gzip"}
    first = found["binary None"]
    for answer in found.values():
        assert answer["response"]["id"] == "one"
        assert answer["types"] == {"probabilities": "float32", "class_index": "int64", "class_name": "object"}
        assert [answer[name] for name in ("probabilities", "class_index", "class_name")] == [
            first[name] for name in ("probabilities", "class_index", "class_name")
        ]
    rows = httpx.get(f"{service.api}/history", params={"limit": 3}).json()["records"]
    assert {(row["source"], row["request_type"], row["age"], row["heart_axis"]) for row in rows} == {
        ("oip", "batch", 55.0, "MID")
    }


def test_is_answered_as_the_services_own_clients_are(client: Scenario, service: Service) -> None:
    from tests.fixtures.ecg import PATIENT  # noqa: PLC0415
    from tests.fixtures.triton_client import signals  # noqa: PLC0415

    own = [
        httpx.post(
            f"{service.api}/forward",
            content=signal.tobytes(),
            headers={"Content-Type": "application/octet-stream"},
            params={**PATIENT, "details": "true"},
        ).json()
        for signal in signals()
    ]
    answer = client("infer")["binary None"]
    assert answer["class_name"] == [one["class_name"] for one in own]
    assert answer["class_index"] == [one["class_index"] for one in own]
    expected = np.array([list(one["probabilities"].values()) for one in own], np.float32)
    np.testing.assert_array_equal(np.array(answer["probabilities"], np.float32), expected)


def test_may_send_one_ecg_other_numbers_and_ask_for_less(client: Scenario) -> None:
    found = client("variants")
    one = found["one"]
    assert np.shape(one["probabilities"]) == (1, 5)
    assert found["double"]["probabilities"] == one["probabilities"]
    assert found["asynchronous"]["probabilities"] == one["probabilities"]
    assert found["microvolts"]["class_name"] == one["class_name"]
    np.testing.assert_allclose(found["microvolts"]["probabilities"], one["probabilities"], atol=0.05)
    assert [output["name"] for output in found["one output"]["response"]["outputs"]] == ["class_index"]


@pytest.mark.parametrize("variant", ["part", "part in JSON"])
def test_is_told_which_ecgs_could_not_be_processed(client: Scenario, variant: str) -> None:
    found = client("variants")
    answer = found[variant]
    assert answer["class_name"] == [found["one"]["class_name"][0], ""]
    assert answer["class_index"][1] == -1
    np.testing.assert_array_equal(answer["probabilities"][0], found["one"]["probabilities"][0])
    assert np.isnan(np.array(answer["probabilities"][1], float)).all()
    (error,) = json.loads(answer["response"]["parameters"]["errors"])
    assert (error["index"], "плоские" in error["detail"]) == (1, True)


def test_understands_every_refusal(client: Scenario) -> None:
    found = client("errors")
    assert {name: error["status"] for name, error in found.items()} == {
        "another model": "404",
        "another version": "404",
        "flat": "403",
        "eleven leads": "400",
        "unknown input": "400",
        "unknown output": "400",
        "classification": "400",
        "an age too high": "400",
        "deflate": "415",
        "repository": "404",
    }
    assert found["eleven leads"]["message"] == (
        "Неверный формат данных (samples[0].ecg_signal): отведений должно быть 12, получено 11"
    )
    assert found["an age too high"]["message"] == "Неверный формат данных (samples[0].age): значение больше 120"
    assert found["flat"]["message"] == "Модель не смогла обработать данные"
