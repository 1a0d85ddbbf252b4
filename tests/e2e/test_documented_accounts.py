"""The documents' examples about accounts, by copy and paste: real curl against a real process.

Their base address, `http://localhost:8000` with or without `/api/v1`, is where this service's API is.
"""

import json
from pathlib import Path

import httpx
import pytest

from tests.fixtures.documents import require_tools, run
from tests.fixtures.server import Service, StartService

ADMIN_TOKEN = "admin_secret_token_12345"
LOG_IN = """
curl -s -X POST http://localhost:8000/api/v1/auth/login \\
  -d "username=admin&password=admin123"
"""
REGISTER_ADMIN = """
curl -s -w '\\n%{http_code}' -X POST "http://localhost:8000/register" \\
  -H "Content-Type: application/json" \\
  -d '{
    "username": "admin",
    "password": "admin123",
    "is_admin": true
  }'
"""
CABINET = """
API=http://localhost:8000

curl -s -X POST $API/register \\
  -H "Content-Type: application/json" \\
  -d '{"username":"alice","email":"alice@example.com","password":"test123"}'

TOKEN=$(curl -s -X POST $API/token \\
  -H "Content-Type: application/x-www-form-urlencoded" \\
  -d 'username=alice&password=test123' | jq -r .access_token)

USER_ID=$(curl -s -H "Authorization: Bearer $TOKEN" $API/users/me | jq -r .id)
echo
echo $USER_ID
"""


@pytest.fixture(scope="module")
def service(start_service: StartService) -> Service:
    require_tools()
    return start_service(MODEL_PATH="/nowhere/model.pkl", ADMIN_TOKEN=ADMIN_TOKEN)


def log_in(service: Service) -> str:
    return str(json.loads(run(service, LOG_IN))["access_token"])


def test_logs_in(service: Service) -> None:
    answer = json.loads(run(service, LOG_IN))
    assert list(answer)[:2] == ["access_token", "token_type"]
    assert answer["token_type"] == "bearer"


def test_logs_in_as_the_python_example_does(service: Service) -> None:
    response = httpx.post(f"{service.api}/auth/login", data={"username": "admin", "password": "admin123"})
    headers = {"Authorization": f"Bearer {response.json()['access_token']}"}
    assert "total_requests" in httpx.get(f"{service.api}/stats", headers=headers).json()


def test_tells_who_one_is(service: Service) -> None:
    script = f'curl -s http://localhost:8000/api/v1/auth/me -H "Authorization: Bearer {log_in(service)}"'
    assert json.loads(run(service, script)) == {"username": "admin", "role": "admin"}


def test_tells_nobody_without_a_valid_token(service: Service) -> None:
    answer = json.loads(run(service, "curl -s http://localhost:8000/api/v1/auth/me -H 'Authorization: Bearer x'"))
    assert answer["detail"] == "Could not validate credentials"


def test_gives_an_administrators_rights_to_nobody_who_asks_for_them(service: Service) -> None:
    body, _, status = run(service, REGISTER_ADMIN).rpartition("\n")
    assert (int(status), json.loads(body)["detail"]) == (403, "Требуются права администратора")
    again = REGISTER_ADMIN.replace('"username": "admin"', '"username": "second"').replace(
        "-d '", f'-H "Authorization: Bearer {log_in(service)}" -d \''
    )
    body, _, status = run(service, again).rpartition("\n")
    assert int(status) == 201
    made = json.loads(body)
    assert (made["username"], made["email"], made["role"]) == ("second", None, "admin")


def test_gives_the_token_by_its_other_name(service: Service) -> None:
    script = """
    curl -s -X POST "http://localhost:8000/token" \\
      -H "Content-Type: application/x-www-form-urlencoded" \\
      -d "username=admin&password=admin123"
    """
    answer = json.loads(run(service, script))
    assert list(answer)[:2] == ["access_token", "token_type"]


def test_lets_the_administrators_token_erase_the_history(service: Service) -> None:
    script = f"""
    curl -s -X DELETE "http://localhost:8000/history" \\
      -H "Authorization: Bearer {ADMIN_TOKEN}"
    """
    assert json.loads(run(service, script))["message"] == "История успешно удалена"


def test_registers_logs_in_and_finds_its_number(service: Service) -> None:
    registered, number = run(service, CABINET).strip().splitlines()
    assert json.loads(registered) == {
        "id": int(number),
        "username": "alice",
        "email": "alice@example.com",
        "role": "patient",
    }


def test_refreshes_by_get_and_by_post_and_with_a_jar_of_cookies(service: Service, tmp_path: Path) -> None:
    refresh = json.loads(run(service, LOG_IN))["refresh_token"]
    by_get = json.loads(
        run(service, f'curl -s http://localhost:8000/api/v1/auth/refresh -H "Authorization: Bearer {refresh}"')
    )
    body = json.dumps({"refresh_token": by_get["refresh_token"]})
    by_post = json.loads(
        run(
            service,
            f"curl -s http://localhost:8000/api/v1/auth/refresh -H 'Content-Type: application/json' -d '{body}'",
        )
    )
    assert by_post["token_type"] == "bearer"
    jar = tmp_path / "jar"
    script = f"""
    curl -s -o /dev/null -c {jar} http://localhost:8000/api/v1/auth/login -d "username=admin&password=admin123"
    curl -s -b {jar} -c {jar} http://localhost:8000/api/v1/auth/refresh -H "Sec-Fetch-Site: none"
    """
    assert json.loads(run(service, script))["refresh_token"]


def test_shows_its_private_address_to_any_valid_token(service: Service) -> None:
    for command, status in ((f'-H "Authorization: Bearer {log_in(service)}"', "200"), ("", "401")):
        script = f"curl -s -o /dev/null -w '%{{http_code}}' http://localhost:8000/api/v1/private {command}"
        assert run(service, script) == status


def test_writes_no_password_no_token_and_no_name_into_the_log(service: Service) -> None:
    run(
        service, 'curl -s -o /dev/null http://localhost:8000/api/v1/auth/login -d "username=canary-n&password=canary-p"'
    )
    token = log_in(service)
    log = service.log.read_text()
    for secret in ("canary-n", "canary-p", "test123", "alice", ADMIN_TOKEN, token, token.split(".")[2]):
        assert secret not in log


def test_several_processes_that_start_on_an_empty_database_make_one_administrator(start_service: StartService) -> None:
    service = start_service(MODEL_PATH="/nowhere/model.pkl", WORKERS="2")
    headers = [f"-H 'Authorization: Bearer {log_in(service)}'" for _ in range(6)]
    for header in headers:  # whichever process answers
        answer = json.loads(run(service, f"curl -s http://localhost:8000/api/v1/users/ {header}"))
        assert [user["username"] for user in answer["users"]] == ["admin"]
    service.stop()
    assert service.log.read_text().count("administrator_set_from_settings") == 1
