"""Settings: environment variables or a `.env` file, checked once at start."""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.core.cores import available_cores
from app.core.passwords import BASIC, STRICT, PasswordRules, is_common

DEFAULT_SECRET_KEY: Final = "your-super-secret-key-change-in-production"  # noqa: S105 - refused in production
DEFAULT_ADMIN_PASSWORD: Final = "admin123"  # noqa: S105 - refused in production
DOCUMENTED_ADMIN_TOKENS: Final = ("admin_secret_token_12345", "your-admin-token-here-change-in-production")
MIN_SECRET_BYTES: Final = 32
MIN_ADMIN_TOKEN_CHARACTERS: Final = 24
_MIB: Final = 2**20
_PROJECT_DIR: Final = Path(__file__).resolve().parents[2]


class Settings(BaseSettings):
    """Everything that can be set from outside, with the defaults that make a laptop work."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        str_strip_whitespace=True,
    )

    environment: Literal["development", "production"] = Field(
        default="development",
        description="`production` refuses to start with the default secret or password, and closes the history",
    )
    host: str = Field(default="0.0.0.0", description="address to listen on")  # noqa: S104 - a server's default
    port: int = Field(default=8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    workers: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="processes that serve, each with the model and one compute thread; unset: one a core",
    )
    database_url: str = Field(
        default="sqlite+aiosqlite:///./request_history.db",
        description="SQLAlchemy address: `sqlite+aiosqlite:///FILE` or `postgresql+asyncpg://USER:PASSWORD@HOST/NAME`",
        repr=False,
    )
    auto_migrate: bool | None = Field(
        default=None, description="bring the schema up to date at start; unset: on for SQLite, off elsewhere"
    )
    jwt_secret_key: SecretStr = Field(
        default=SecretStr(DEFAULT_SECRET_KEY), description="key that signs the tokens; at least 32 bytes"
    )
    jwt_access_token_expire_minutes: int = Field(
        default=30, ge=1, le=24 * 60, description="minutes for which a token is valid"
    )
    admin_username: str = Field(default="admin", min_length=1, max_length=64, description="the administrator's name")
    admin_password: SecretStr = Field(
        default=SecretStr(DEFAULT_ADMIN_PASSWORD), description="the administrator's password"
    )
    admin_token: SecretStr | None = Field(
        default=None,
        description="`Authorization: Bearer <ADMIN_TOKEN>` is the administrator, for scripts; at least 24 characters, "
        "32 in production; unset: there is none",
    )
    registration: Literal["open", "admin"] = Field(
        default="open", description="who may register accounts: `open` anybody, `admin` administrators"
    )
    password_rules: Literal["basic", "strict"] | None = Field(
        default=None,
        description="new passwords: `basic` 6 characters and none of the 100 most common, `strict` 8 and none of 3000; "
        "unset: `basic` in development, `strict` in production",
    )
    refresh_token_idle_days: int = Field(
        default=7, ge=1, le=365, description="days after which a refresh token that was not used ends"
    )
    refresh_token_max_days: int = Field(
        default=30, ge=1, le=3650, description="days after which one must log in again, however often one refreshed"
    )
    self_deposit: bool | None = Field(
        default=None,
        description="whether users may give themselves credits; unset: yes in development, no in production",
    )
    history_access: Literal["public", "admin"] | None = Field(
        default=None, description="who may read the history; unset: `public` in development, `admin` in production"
    )
    model_path: Path = Field(
        default=Path("app/ml_artifacts/model.pkl"), description="the trained model; its `.json` lies beside it"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(
        default="INFO", description="least severity that is logged"
    )
    log_format: Literal["text", "json"] | None = Field(
        default=None,
        description="`text` or `json`, a line an event; unset: `text` in development, `json` in production",
    )
    max_body_bytes: int = Field(
        default=8 * _MIB, ge=1024, le=1024 * _MIB, description="size cap of a request, in bytes"
    )
    max_batch_body_bytes: int = Field(
        default=256 * _MIB, ge=1024, le=1024 * _MIB, description="size cap of a batch request, in bytes"
    )
    max_buffered_bytes: int = Field(
        default=512 * _MIB, ge=1024, description="bytes of request bodies that one process holds at once; above, 503"
    )
    compute_queue_size: int = Field(
        default=64, ge=1, le=10_000, description="predictions under way or waiting in one process; above, 503"
    )
    compute_max_wait_s: float = Field(
        default=10.0, gt=0, le=600, description="seconds a prediction may wait before it begins; above, 503"
    )
    caller_limit_per_minute: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="requests of one address (IPv6: one /64 network) a minute, over all processes; above, 429; "
        "0: no limit",
    )
    min_free_disk_bytes: int = Field(
        default=64 * _MIB,
        ge=0,
        description="free bytes on the disk of an SQLite file below which the service is not ready",
    )
    cors_allow_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="origins whose pages may call the API from a browser, separated by commas"
    )
    forwarded_allow_ips: str = Field(
        default="", description="addresses of reverse proxies whose `X-Forwarded-*` fields are believed"
    )
    shutdown_delay_s: float = Field(
        default=1.0,
        ge=0,
        le=60,
        description="seconds between SIGTERM and the end of accepting: not ready, but still answering, so that whoever "
        "sends callers here has time to notice",
    )
    shutdown_timeout_s: int = Field(
        default=20, ge=0, le=600, description="seconds for requests under way to finish when the service stops"
    )

    @model_validator(mode="before")
    @classmethod
    def _split_lists(cls, values: dict[str, object]) -> dict[str, object]:
        origins = values.get("cors_allow_origins")
        if isinstance(origins, str):
            split = tuple(origin.strip() for origin in origins.split(",") if origin.strip())
            return {**values, "cors_allow_origins": split}
        return values

    @field_validator("admin_token")
    @classmethod
    def _refuse_short_admin_token(cls, value: SecretStr | None) -> SecretStr | None:
        """Refuse what could be guessed, and what could not be sent in a header field."""
        if value is None:
            return None
        token = value.get_secret_value()
        if len(token) < MIN_ADMIN_TOKEN_CHARACTERS or not (
            token.isascii() and token.isprintable() and " " not in token
        ):
            raise ValueError(f"at least {MIN_ADMIN_TOKEN_CHARACTERS} characters of ASCII, without spaces")
        return value

    @model_validator(mode="after")
    def _refuse_insecure_production(self) -> Self:
        if self.environment == "production" and (weaknesses := self.weaknesses):
            raise ValueError("not fit for production: " + "; ".join(weaknesses))
        return self

    @cached_property
    def weaknesses(self) -> tuple[str, ...]:
        """What a stranger could use: a warning in development, a refusal to start in production."""
        secret = self.jwt_secret_key.get_secret_value()
        password = self.admin_password.get_secret_value()
        token = self.admin_token.get_secret_value() if self.admin_token else None
        found = {
            "JWT_SECRET_KEY is the documented default": secret == DEFAULT_SECRET_KEY,
            f"JWT_SECRET_KEY is shorter than {MIN_SECRET_BYTES} bytes": len(secret.encode()) < MIN_SECRET_BYTES,
            "ADMIN_PASSWORD is the documented default": password == DEFAULT_ADMIN_PASSWORD,
            f"ADMIN_PASSWORD is shorter than {STRICT.min_characters} characters": len(password) < STRICT.min_characters,
            "ADMIN_PASSWORD is one of the most common": password != DEFAULT_ADMIN_PASSWORD and is_common(password),
            "ADMIN_TOKEN is a documented example": token in DOCUMENTED_ADMIN_TOKENS,
            f"ADMIN_TOKEN is shorter than {MIN_SECRET_BYTES} characters": token is not None
            and len(token) < MIN_SECRET_BYTES,
            "PASSWORD_RULES are basic": self.environment == "production" and self.rules_for_passwords == BASIC,
            "CORS_ALLOW_ORIGINS is a wildcard": "*" in self.cors_allow_origins,
            "FORWARDED_ALLOW_IPS trusts everybody": self.forwarded_allow_ips == "*",
        }
        return tuple(weakness for weakness, present in found.items() if present)

    @property
    def n_workers(self) -> int:
        """How many processes serve."""
        return self.workers or available_cores()

    @property
    def deposits_to_oneself(self) -> bool:
        """Whether users may give themselves credits."""
        return self.environment != "production" if self.self_deposit is None else self.self_deposit

    @property
    def history_is_public(self) -> bool:
        """Whether anybody may read the history."""
        return (self.history_access or ("admin" if self.environment == "production" else "public")) == "public"

    @property
    def rules_for_passwords(self) -> PasswordRules:
        """What new passwords must be like."""
        chosen = self.password_rules or ("strict" if self.environment == "production" else "basic")
        return STRICT if chosen == "strict" else BASIC

    @property
    def migrates_at_start(self) -> bool:
        """Whether the service brings the schema up to date itself."""
        return self.database_url.startswith("sqlite") if self.auto_migrate is None else self.auto_migrate

    @property
    def model_file(self) -> Path:
        """Where the model is: a relative path that leads nowhere from here is taken from the project's root."""
        here = self.model_path.absolute()
        there = _PROJECT_DIR / self.model_path
        return there if not here.exists() and there.exists() else here

    @property
    def logs_json(self) -> bool:
        """Whether a log line is a JSON object."""
        return (self.log_format or ("json" if self.environment == "production" else "text")) == "json"
