"""The invariant check itself: what it must notice."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.acks import Ack, AckLog
from tests.faults.invariants import lost_or_changed, main, repeated, unbalanced, unexpected_errors

INSERT = (
    "INSERT INTO request_history (request_id, predicted_class_name, created_at, processing_time_ms, success, "
    "status_code, request_type, source) VALUES (?, ?, 0, 1, 1, 200, 'single', 'json')"
)


def test_a_row_that_is_lost_is_noticed() -> None:
    assert list(lost_or_changed([Ack("a", ("N",))], [("b", "N")])) == ["I1: a was acknowledged and is lost"]


@pytest.mark.parametrize("kept", [["S"], ["N", "N"], ["N", "S"]])
def test_a_row_that_says_something_else_is_noticed(kept: list[str]) -> None:
    (found,) = lost_or_changed([Ack("a", ("N",))], [("a", name) for name in kept])
    assert found.startswith("I1: a was acknowledged with ('N',) and is stored with ")


def test_what_was_never_acknowledged_may_be_there_or_not() -> None:
    assert list(lost_or_changed([Ack("a", ("N", "S"))], [("a", "N"), ("b", "C"), ("a", "S")])) == []


def test_an_id_that_was_given_twice_is_noticed() -> None:
    assert list(repeated([Ack("a", ("N",)), Ack("a", ("N",))])) == ["I3: a was acknowledged 2 times"]


LEDGER = [(1, 7, "deposit", 25, 25), (2, 8, "deposit", 5, 5), (3, 7, "withdraw", 10, 15), (4, 7, "refund", 10, 25)]


def test_balances_that_are_the_sums_of_their_transactions_are_right() -> None:
    assert list(unbalanced([(7, 25), (8, 5), (9, 0)], LEDGER)) == []


@pytest.mark.parametrize(
    ("balances", "ledger", "complaint"),
    [
        ([(7, 24), (8, 5)], LEDGER, "I2: account 7 has 24, its transactions make 25"),
        ([(7, 25), (8, 5), (9, 1)], LEDGER, "I2: account 9 has 1, its transactions make 0"),
        ([(7, 15), (8, 5)], [*LEDGER[:3], (4, 7, "refund", 10, 15)], "I2: transaction 4 says 15 and leaves 25"),
        ([(7, -1)], [(1, 7, "withdraw", 1, -1)], "I2: account 7 has -1, its transactions make -1"),
    ],
)
def test_balances_that_are_not_are_noticed(
    balances: list[tuple[int, int]], ledger: list[tuple[int, int, str, int, int]], complaint: str
) -> None:
    assert complaint in list(unbalanced(balances, ledger))


@pytest.mark.parametrize(
    ("line", "n_complaints"),
    [
        ('{"event": "request", "status": 500}', 1),
        ('{"event": "request", "status": 503}', 0),
        ('{"event": "request", "status": 400}', 0),
        ('{"event": "unexpected_error"}', 1),
        ("Traceback (most recent call last):", 1),
        ("a line that is no JSON", 0),
    ],
)
def test_the_log_is_searched_for_what_nobody_expected(tmp_path: Path, line: str, n_complaints: int) -> None:
    log = tmp_path / "log"
    log.write_text(line + "\n")
    assert len(list(unexpected_errors(log))) == n_complaints


def check(database_url: str, acks: AckLog) -> int:
    return main(["--database", database_url, "--acks", str(acks.file)])


def test_the_command_ends_with_0_when_everything_holds_and_else_with_1(
    sqlite_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    acks = AckLog(tmp_path / "acks.jsonl")
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection, connection:
        connection.execute(INSERT, ("kept", "N"))
    acks.add("kept", ["N"])
    assert (check(sqlite_url, acks), capsys.readouterr().out) == (0, "everything holds\n")
    acks.add("lost", ["N"])
    assert (check(sqlite_url, acks), capsys.readouterr().out) == (1, "I1: lost was acknowledged and is lost\n")


def test_another_schema_is_noticed(sqlite_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'another'")
    assert check(sqlite_url, AckLog(tmp_path / "acks.jsonl")) == 1
    assert "I5: the schema is at another, not at " in capsys.readouterr().out


def test_a_damaged_file_is_noticed(sqlite_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET rootpage = 2 WHERE name = 'ix_request_history_success'")
    assert check(sqlite_url, AckLog(tmp_path / "acks.jsonl")) == 1
    assert "I5: the database is damaged: " in capsys.readouterr().out
