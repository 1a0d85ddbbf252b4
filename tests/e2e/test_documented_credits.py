"""The cabinet's examples about credits, by copy and paste: real curl against a real process."""

import json

import pytest

from tests.fixtures.documents import require_tools, run
from tests.fixtures.server import Service, StartService

CABINET = """
API=http://localhost:8000

curl -s -o /dev/null -X POST $API/register \\
  -H "Content-Type: application/json" \\
  -d '{"username":"alice","email":"alice@example.com","password":"test123"}'

TOKEN=$(curl -s -X POST $API/token \\
  -H "Content-Type: application/x-www-form-urlencoded" \\
  -d 'username=alice&password=test123' | jq -r .access_token)

USER_ID=$(curl -s -H "Authorization: Bearer $TOKEN" $API/users/me | jq -r .id)

curl -s -X POST $API/transactions/deposit \\
  -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{"user_id":'$USER_ID',"amount":10,"type":"deposit"}'

echo
curl -s -H "Authorization: Bearer $TOKEN" $API/users/me
echo
curl -s -H "Authorization: Bearer $TOKEN" $API/transactions
"""


@pytest.fixture(scope="module")
def service(start_service: StartService) -> Service:
    require_tools()
    return start_service(MODEL_PATH="/nowhere/model.pkl")


def test_tops_up_and_shows_it(service: Service) -> None:
    deposit, account, transactions = map(json.loads, run(service, CABINET).strip().splitlines())
    assert (deposit["user_id"], deposit["type"], deposit["amount"]) == (account["id"], "deposit", 10)
    assert account["balance"] == 10
    assert transactions == {"total": 1, "transactions": [deposit]}
