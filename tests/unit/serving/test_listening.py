"""What is said when the service is ready."""

import socket

import pytest
from structlog.testing import capture_logs

from app.core.config import Settings
from app.serving import listening


@pytest.mark.parametrize(
    ("library", "events"), [(None, ["service_ready", "not_compiled"]), (object(), ["service_ready"])]
)
def test_says_when_it_is_slower_than_it_could_be(
    monkeypatch: pytest.MonkeyPatch, library: object, events: list[str]
) -> None:
    monkeypatch.setattr(listening, "LIBRARY", library)
    with socket.create_server(("127.0.0.1", 0)) as listener, capture_logs() as logs:
        listening.announce(listener, Settings(_env_file=None), "one")
    assert [entry["event"] for entry in logs if entry["event"] != "insecure_setting"] == events
