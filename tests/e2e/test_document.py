"""The document's examples, by copy and paste: real curl against a real process with the real model."""

import gzip
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.server import PROJECT_DIR, Service, StartService
from tests.fixtures.skipping import skip_or_fail

SAMPLE = PROJECT_DIR / "datasets" / "sample_request.json"
MODEL = PROJECT_DIR / "app" / "ml_artifacts" / "model.pkl"


@pytest.fixture(scope="module")
def service(start_service: StartService) -> Service:
    if shutil.which("curl") is None:
        skip_or_fail("curl is not installed")
    if not MODEL.is_file():
        skip_or_fail("there is no trained model")
    return start_service(MODEL_PATH=str(MODEL))


def curl(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Run curl and return the status and the body."""
    command = ["curl", "--silent", "--show-error", "--write-out", "\n%{http_code}", *arguments]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    body, _, status = output.rpartition("\n")
    return int(status), json.loads(body)


def log_in(service: Service) -> str:
    _, body = curl("-X", "POST", f"{service.api}/auth/login", "-d", "username=admin&password=admin123")
    return str(body["access_token"])


def test_tells_its_health(service: Service) -> None:
    assert curl(f"{service.api}/health") == (200, {"status": "healthy", "model_loaded": True})


def test_classifies_the_sample_of_the_readme(service: Service) -> None:
    status, body = curl(f"{service.api}/forward", "-H", "Content-Type: application/json", "-d", f"@{SAMPLE}")
    assert status == 200
    assert body == {"class_index": 0, "class_name": "N", "class_description": "Normal ECG"}


def test_classifies_it_as_a_form_and_compressed(service: Service, tmp_path: Path) -> None:
    packed = tmp_path / "ecg.json.gz"
    packed.write_bytes(gzip.compress(SAMPLE.read_bytes()))
    headers = ["-H", "Content-Type: application/json", "-H", "Content-Encoding: gzip"]
    for arguments in (["-F", f"data=@{SAMPLE}"], [*headers, "--data-binary", f"@{packed}"]):
        status, body = curl(f"{service.api}/forward", *arguments)
        assert (status, body["class_name"]) == (200, "N")


def test_explains_itself_when_asked(service: Service) -> None:
    address = f"{service.api}/forward?details=true"
    status, body = curl(address, "-H", "Content-Type: application/json", "-d", f"@{SAMPLE}")
    assert status == 200
    assert set(body["probabilities"]) == set("NSMCH")
    assert body["probabilities"]["N"] > 0.5
    assert 40 < body["measurements"]["heart_rate_bpm"] < 120


def test_classifies_a_batch(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "batch.json"
    file.write_text(f'{{"samples": [{SAMPLE.read_text()}, {SAMPLE.read_text()}]}}')
    address = f"{service.api}/forward/batch"
    status, body = curl("-X", "POST", address, "-H", "Content-Type: application/json", "-d", f"@{file}")
    assert status == 200
    assert [prediction["class_name"] for prediction in body["predictions"]] == ["N", "N"]
    assert list(body) == ["predictions"]


def test_refuses_the_documents_abridged_signal(service: Service) -> None:
    example = '{"age": 55, "sex": 1, "height": 175, "weight": 80, "heart_axis": "MID", "ecg_signal": [[0.1, 0.2, ...]]}'
    status, body = curl("-X", "POST", f"{service.api}/forward", "-H", "Content-Type: application/json", "-d", example)
    assert (status, body["errors"][0]["type"]) == (400, "json_invalid")


def test_lists_the_history(service: Service) -> None:
    curl(f"{service.api}/forward", "-H", "Content-Type: application/json", "-d", f"@{SAMPLE}")
    status, body = curl(f"{service.api}/history?limit=10&offset=0")
    assert status == 200
    assert body["total"] >= len(body["records"]) >= 1
    assert body["records"][0]["predicted_class_name"] == "N"
    assert body["records"][0]["request_type"] == "single"


def test_logs_in_and_says_who_it_is(service: Service) -> None:
    authorization = f"Authorization: Bearer {log_in(service)}"
    assert curl(f"{service.api}/auth/me", "-H", authorization) == (200, {"username": "admin", "role": "admin"})


def test_refuses_a_wrong_password(service: Service) -> None:
    status, body = curl("-X", "POST", f"{service.api}/auth/login", "-d", "username=admin&password=wrong")
    assert (status, body["detail"]) == (401, "Неверное имя пользователя или пароль")


def test_refuses_without_a_token(service: Service) -> None:
    status, body = curl("-X", "DELETE", f"{service.api}/history")
    assert (status, body["detail"]) == (401, "Could not validate credentials")


def test_gives_statistics_and_erases_the_history(service: Service) -> None:
    curl(f"{service.api}/forward", "-H", "Content-Type: application/json", "-d", f"@{SAMPLE}")
    authorization = f"Authorization: Bearer {log_in(service)}"
    _, stats = curl(f"{service.api}/stats", "-H", authorization)
    status, erased = curl("-X", "DELETE", f"{service.api}/history", "-H", authorization)
    assert stats["total_requests"] == erased["deleted_count"] > 0
    assert (status, erased["message"]) == (200, "История успешно удалена")
    assert curl(f"{service.api}/history") == (200, {"total": 0, "records": []})


def test_says_at_start_where_it_is_and_what_is_insecure(service: Service) -> None:
    log = service.log.read_text()
    assert f"INFO:     Uvicorn running on {service.url} (Press CTRL+C to quit)" in log
    assert f"{service.url}/docs" in log
    assert "model=" in log
    assert "JWT_SECRET_KEY is the documented default" in log
    assert "ADMIN_PASSWORD is the documented default" in log
    assert "your-super-secret-key" not in log
    assert "admin123" not in log
