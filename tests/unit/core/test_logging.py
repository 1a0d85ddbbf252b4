"""Logs: one line an event, and never what an exception says."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from app.api.parsing.multipart import cut_parts
from app.core.exceptions import FieldError
from app.core.logging import configure_logging


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    for name in ("uvicorn", "alembic", "python_multipart"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
        logging.getLogger(name).setLevel(logging.NOTSET)


def fail_with_a_secret() -> None:
    raise ValueError("canary")


def test_writes_objects_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", as_json=True)
    structlog.get_logger("test").info("something_happened", count=3)
    logging.getLogger("library").warning("spoke %s", "up")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (lines[0]["event"], lines[0]["count"], lines[0]["level"]) == ("something_happened", 3, "info")
    assert (lines[1]["event"], lines[1]["level"]) == ("spoke up", "warning")


def test_leaves_out_what_is_below_the_level(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("WARNING", as_json=True)
    structlog.get_logger("test").info("quiet")
    logging.getLogger("uvicorn.error").info("quiet")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("as_json", [True, False])
def test_logs_an_exception_as_places_in_the_code(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", as_json=as_json)
    for logger in (structlog.get_logger("test"), logging.getLogger("library"), logging.getLogger("uvicorn.error")):
        try:
            fail_with_a_secret()
        except ValueError:
            logger.exception("broken")
    written = capsys.readouterr().err
    assert "canary" not in written
    assert written.count("ValueError") == 3
    assert written.count("fail_with_a_secret") == 3


def test_writes_the_servers_lines_as_everybody_knows_them(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", as_json=False)
    logging.getLogger("uvicorn.error").info("Uvicorn running on %s", "http://0.0.0.0:8000")
    assert capsys.readouterr().err == "INFO:     Uvicorn running on http://0.0.0.0:8000\n"


def test_keeps_an_event_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", as_json=True)
    structlog.get_logger("test").info("event", value="a\nb\x1b[31m")
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_does_not_quote_forms_that_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("DEBUG", as_json=True)
    assert isinstance(cut_parts(b"canary", "multipart/form-data; boundary=x"), FieldError)
    assert capsys.readouterr().err == ""
