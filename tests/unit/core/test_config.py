"""Settings."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.core import config
from app.core.config import Settings

SAFE: dict[str, Any] = {
    "environment": "production",
    "jwt_secret_key": "k" * 32,
    "admin_password": "correct horse battery",
}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def make(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)


class TestModelFile:
    def test_is_taken_from_here_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        own = tmp_path / "app" / "core" / "config.py"
        own.parent.mkdir(parents=True)
        own.touch()
        assert make(model_path="app/core/config.py").model_file == own

    def test_is_taken_from_the_project_where_it_is_not_here(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert make(model_path="app/core/config.py").model_file == Path(config.__file__).resolve()

    def test_that_is_nowhere_is_looked_for_here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert make(model_path="no/model.pkl").model_file == tmp_path / "no" / "model.pkl"

    def test_with_an_absolute_path_is_there(self) -> None:
        assert make(model_path="/nowhere/model.pkl").model_file == Path("/nowhere/model.pkl")


class TestDefaults:
    def test_are_the_documents(self) -> None:
        settings = make()
        assert settings.host == "0.0.0.0"
        assert settings.port == 8000
        assert settings.database_url == "sqlite+aiosqlite:///./request_history.db"
        assert settings.jwt_secret_key.get_secret_value().startswith("your-super-secret-key")
        assert settings.jwt_access_token_expire_minutes == 30
        assert settings.admin_username == "admin"
        assert settings.admin_password.get_secret_value() == "admin123"
        assert str(settings.model_path) == "app/ml_artifacts/model.pkl"
        assert settings.log_level == "INFO"

    def test_of_development_are_open_and_of_production_closed(self) -> None:
        development, production = make(), make(**SAFE)
        assert (development.history_is_public, production.history_is_public) == (True, False)
        assert (development.deposits_to_oneself, production.deposits_to_oneself) == (True, False)
        assert (development.logs_json, production.logs_json) == (False, True)

    def test_migrate_sqlite_and_leave_other_databases_alone(self) -> None:
        elsewhere = "postgresql+asyncpg://u:p@h/d"
        assert make().migrates_at_start
        assert not make(database_url=elsewhere).migrates_at_start
        assert make(database_url=elsewhere, auto_migrate=True).migrates_at_start
        assert not make(auto_migrate=False).migrates_at_start

    def test_all_say_what_they_are_for(self) -> None:
        assert [name for name, field in Settings.model_fields.items() if not field.description] == []


class TestReading:
    def test_takes_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PORT", "9000")
        monkeypatch.setenv("HISTORY_ACCESS", "admin")
        monkeypatch.setenv("CORS_ALLOW_ORIGINS", "https://a.example, https://b.example")
        settings = make()
        assert settings.port == 9000
        assert not settings.history_is_public
        assert settings.cors_allow_origins == ("https://a.example", "https://b.example")

    def test_takes_the_documents_env_file(self, tmp_path: Any) -> None:
        file = tmp_path / ".env"
        file.write_text(
            "JWT_SECRET_KEY=my-super-secret-production-key\nADMIN_USERNAME=admin\n"
            "ADMIN_PASSWORD=secure-password-123\nLOG_LEVEL=WARNING\nSOMETHING_ELSE=1\n"
        )
        settings = Settings(_env_file=file)
        assert settings.admin_password.get_secret_value() == "secure-password-123"
        assert settings.log_level == "WARNING"

    def test_takes_an_empty_variable_as_unset(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HISTORY_ACCESS", "")
        monkeypatch.setenv("PORT", "")
        assert make().port == 8000

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("port", "x"),
            ("port", "70000"),
            ("environment", "staging"),
            ("history_access", "everybody"),
            ("log_level", "LOUD"),
            ("jwt_access_token_expire_minutes", "0"),
            ("max_body_bytes", "0"),
            ("compute_queue_size", "0"),
            ("admin_username", ""),
            ("admin_token", "t" * 23),
            ("admin_token", "t" * 24 + " t"),
            ("admin_token", "т" * 24),
            ("registration", "nobody"),
            ("password_rules", "none"),
            ("refresh_token_idle_days", "0"),
        ],
    )
    def test_refuses_a_value_that_cannot_be(self, name: str, value: str) -> None:
        with pytest.raises(ValidationError, match=name):
            make(**{name: value})

    def test_cannot_be_changed_afterwards(self) -> None:
        with pytest.raises(ValidationError, match="frozen"):
            make().port = 1  # type: ignore[misc]  # as it should be

    def test_shows_no_secret(self) -> None:
        secrets = {"jwt_secret_key": "canary-1", "admin_password": "canary-2", "admin_token": "canary-3" * 4}
        shown = repr(make(**secrets, database_url="sqlite://canary-4"))
        assert "canary" not in shown


class TestProduction:
    def test_starts_with_its_own_secrets(self) -> None:
        assert make(**SAFE).weaknesses == ()
        assert make(**SAFE, admin_token="t" * 32, password_rules="strict").weaknesses == ()

    @pytest.mark.parametrize(
        ("changes", "weakness"),
        [
            ({"jwt_secret_key": "your-super-secret-key-change-in-production"}, "JWT_SECRET_KEY is the documented"),
            ({"jwt_secret_key": "k" * 31}, "JWT_SECRET_KEY is shorter than 32 bytes"),
            ({"jwt_secret_key": "changeme"}, "JWT_SECRET_KEY is shorter than 32 bytes"),
            ({"jwt_secret_key": ""}, "JWT_SECRET_KEY is shorter than 32 bytes"),
            ({"admin_password": "admin123"}, "ADMIN_PASSWORD is the documented default"),
            ({"admin_password": "1234567"}, "ADMIN_PASSWORD is shorter than 8 characters"),
            ({"admin_password": "Baseball"}, "ADMIN_PASSWORD is one of the most common"),
            ({"admin_token": "admin_secret_token_12345"}, "ADMIN_TOKEN is a documented example"),
            ({"admin_token": "your-admin-token-here-change-in-production"}, "ADMIN_TOKEN is a documented example"),
            ({"admin_token": "t" * 31}, "ADMIN_TOKEN is shorter than 32 characters"),
            ({"password_rules": "basic"}, "PASSWORD_RULES are basic"),
            ({"cors_allow_origins": "*"}, "CORS_ALLOW_ORIGINS is a wildcard"),
            ({"forwarded_allow_ips": "*"}, "FORWARDED_ALLOW_IPS trusts everybody"),
        ],
    )
    def test_refuses_to_start_insecurely(self, changes: dict[str, Any], weakness: str) -> None:
        with pytest.raises(ValidationError, match=weakness):
            make(**{**SAFE, **changes})

    def test_names_every_weakness_at_once_and_no_secret(self) -> None:
        with pytest.raises(ValidationError) as refusal:
            make(environment="production", jwt_secret_key="canary")
        text = str(refusal.value)
        assert "JWT_SECRET_KEY is shorter" in text
        assert "ADMIN_PASSWORD is the documented default" in text
        assert "canary" not in text

    def test_is_not_asked_of_development(self) -> None:
        assert len(make().weaknesses) == 2
