"""The examples of docs/appointments.md, by copy and paste: real curl against a real process."""

import json
import re

import httpx
import pytest

from tests.conftest import PROJECT_DIR
from tests.fixtures.documents import require_tools, run
from tests.fixtures.server import Service, StartService

DOCUMENT = (PROJECT_DIR / "docs" / "appointments.md").read_text(encoding="utf-8")
PASSWORD = "a good password"
NOTE = "canary-note"


@pytest.fixture(scope="module")
def service(start_service: StartService) -> Service:
    require_tools()
    return start_service(MODEL_PATH="/nowhere/model.pkl")


def log_in(service: Service, name: str, password: str = PASSWORD) -> str:
    answer = httpx.post(f"{service.api}/auth/login", data={"username": name, "password": password})
    return str(answer.json()["access_token"])


def register(service: Service, name: str, **body: str) -> int:
    admin = {"Authorization": f"Bearer {log_in(service, 'admin', 'admin123')}"}
    sent = {"username": name, "password": PASSWORD, **body}
    answer = httpx.post(f"{service.api}/auth/register", json=sent, headers=admin)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def test_examples_run_as_they_stand(service: Service) -> None:
    doctor_id = register(service, "house", role="doctor")
    register(service, "olga")
    (script,) = re.findall(r"```bash\n(.*?)```", DOCUMENT, flags=re.DOTALL)
    known = {"DOCTOR_ID": str(doctor_id), "DOCTOR": log_in(service, "house"), "PATIENT": log_in(service, "olga")}
    lines = "\n".join(f"{name}={value}" for name, value in known.items())
    output = run(service, f"{lines}\n{script}".replace("\ncurl", "\necho; curl"))
    listed, confirmed, moved, cancelled = output.split("\n")[1:]
    (made,) = json.loads(listed)["appointments"]
    assert (made["doctor_id"], made["status"], made["version"]) == (doctor_id, "booked", 1)
    assert json.loads(confirmed)["status"] == "confirmed"
    assert json.loads(moved)["starts_at"].endswith("T12:00:00+03:00")
    assert (json.loads(moved)["status"], cancelled) == ("booked", "")


def test_writes_no_note_and_no_name_into_the_log(service: Service) -> None:
    doctor_id = register(service, "canary-doctor", role="doctor")
    register(service, "canary-patient")
    headers = {"Authorization": f"Bearer {log_in(service, 'canary-patient')}"}
    body = {"doctor_id": doctor_id, "starts_at": "2001-01-01T10:00Z", "ends_at": "2001-01-01T10:30Z", "note": NOTE}
    for sent in (body, {**body, "note": f"{NOTE}\0"}, {**body, "time_zone": "canary-zone"}):
        assert httpx.post(f"{service.api}/appointments", json=sent, headers=headers).status_code == 400
    log = service.log.read_text()
    assert "canary" not in log
