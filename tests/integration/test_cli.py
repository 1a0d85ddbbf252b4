"""`ecg users` and `ecg credits`, on both databases."""

import asyncio
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.cli import main as cli
from app.core.config import Settings
from app.core.passwords import STRICT
from app.database.connection import Database, WriteSession
from tests.fixtures.server import PROJECT_DIR, environment
from tests.integration.test_accounts import add_user

PASSWORD = "correct horse battery"


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Run the command in this process; return its exit code, output and complaints."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "configure_logging", lambda *_, **__: None)  # it would last beyond the test

    def run_command(*arguments: str, given: str = "", room: str = "users") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(given))
        code = cli.main([room, *arguments])
        return code, *capsys.readouterr()

    return run_command


class TestUsers:
    def test_are_made_listed_closed_and_opened(self, run: Any) -> None:
        assert run("create-admin", "chief@example.com", given=f"{PASSWORD}\n") == (
            0,
            "made: 1\tchief@example.com\tchief@example.com\tadmin\tactive\n",
            "",
        )
        assert run("create-admin", "a@example.com", "--username", "anna", given=PASSWORD)[0] == 0
        assert run("disable", "ANNA")[1] == "disabled: 2\tanna\ta@example.com\tadmin\tdisabled\n"
        assert run("list")[1].splitlines() == [
            "1\tchief@example.com\tchief@example.com\tadmin\tactive",
            "2\tanna\ta@example.com\tadmin\tdisabled",
        ]
        assert run("enable", "a@example.com")[1].endswith("active\n")
        assert run("reset-password", "anna", given="another password\n")[:2] == (
            0,
            "password changed: 2\tanna\ta@example.com\tadmin\tactive\n",
        )

    @pytest.mark.parametrize(
        ("arguments", "given", "reason"),
        [
            (("create-admin", "nonsense"), PASSWORD, "this is not an e-mail address"),
            (("create-admin", "a@example.com"), "12345", "a password has at least 6 characters"),
            (("create-admin", "a@example.com"), "", "a password has at least 6 characters"),
            (("create-admin", "a@example.com", "--username", "Admin"), PASSWORD, "what the settings say"),
            (("disable", "nobody"), "", "Nothing is here"),
            (("reset-password", "nobody"), PASSWORD, "Nothing is here"),
        ],
    )
    def test_are_refused_in_one_line(self, run: Any, arguments: tuple[str, ...], given: str, reason: str) -> None:
        code, output, complaints = run(*arguments, given=given)
        assert (code, output) == (1, "")
        assert complaints.count("\n") == 1
        assert complaints.startswith("ecg: ")
        assert reason in complaints

    def test_that_exist_are_not_made_again(self, run: Any) -> None:
        run("create-admin", "chief@example.com", given=PASSWORD)
        code, _, complaints = run("create-admin", "CHIEF@example.com", given=PASSWORD)
        assert (code, complaints) == (1, "ecg: The user name or the e-mail address is taken\n")

    def test_keep_the_rules_of_production(self, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PASSWORD_RULES", "strict")
        code, _, complaints = run("create-admin", "a@example.com", given="admin123")
        assert code == 1
        assert "too common" in complaints
        assert STRICT.min_characters == 8

    def test_need_settings_that_will_do(self, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PORT", "many")
        code, _, complaints = run("list")
        assert (code, complaints) == (1, "ecg: the settings will not do: PORT\n")


def test_the_documented_script_makes_a_database_and_an_administrator(tmp_path: Path) -> None:
    settings = environment(DATABASE_URL=f"sqlite+aiosqlite:///{tmp_path / 'new.db'}")
    arguments = ["bash", "bin/create_admin.sh", "chief@example.com", PASSWORD]
    made = subprocess.run(arguments, cwd=PROJECT_DIR, env=settings, capture_output=True, text=True, check=False)
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout == "made: 1\tchief@example.com\tchief@example.com\tadmin\tactive\n"
    usage = subprocess.run(arguments[:3], cwd=PROJECT_DIR, env=settings, capture_output=True, text=True, check=False)
    assert usage.returncode == 2


class TestCredits:
    def test_are_given_by_name(self, run: Any) -> None:
        run("create-admin", "a@example.com", "--username", "anna", given=PASSWORD)
        assert run("give", "Anna", "25", "--note", "for the clinic", room="credits") == (
            0,
            "given: 25, the balance is 25\n",
            "",
        )
        assert run("give", "a@example.com", "5", room="credits")[1] == "given: 5, the balance is 30\n"
        assert run("check", room="credits") == (0, "every balance is the sum of its transactions\n", "")

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (("nobody", "1"), "Nothing is here"),
            (("anna", "0"), "the value is less than 1"),
            (("anna", "1000001"), "the value is greater than 1000000"),
            (("anna", "1", "--note", "x" * 257), "the value is too long"),
            (("anna", "1", "--note", "a\x1b[31m"), "the text has characters that are not allowed"),
        ],
    )
    def test_are_refused_with_the_reason(self, run: Any, arguments: tuple[str, ...], reason: str) -> None:
        run("create-admin", "a@example.com", "--username", "anna", given=PASSWORD)
        code, output, complaint = run("give", *arguments, room="credits")
        assert (code, output) == (1, "")
        assert reason in complaint

    async def test_that_are_not_the_sum_are_named(self, run: Any, database: Database) -> None:
        user = await add_user(database)

        async def tamper(session: WriteSession) -> None:
            await session.execute(text("UPDATE users SET balance = 1"))

        await database.writes.run(tamper)
        code, output, complaint = await asyncio.to_thread(run, "check", room="credits")
        assert (code, output) == (1, "")
        assert f"account {user.id}" in complaint
