"""The tables. The schema is made by the migrations only; a test holds the two equal.

Rules for every table: names of constraints come from one convention, moments are aware and in UTC,
texts are bounded, numbers have CHECKs, and every relationship is `lazy="raise"`, so that no query hides
behind an attribute.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from app.core.constants import MAX_NOTE_CHARACTERS

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

BigIntegerKey: Final = BigInteger().with_variant(Integer(), "sqlite")
"""A 64-bit key on both databases: SQLite numbers rows itself only where the type is spelled INTEGER."""


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: aware, in UTC, to the microsecond.

    PostgreSQL keeps it as `timestamptz`. SQLite has no such type, so it is kept as microseconds since 1970:
    it sorts and compares as a moment must, and is a third of the text in every index that holds it
    (`datetime(created_at / 1000000, 'unixepoch')` shows it).
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the column's type on this database."""
        kept_as: TypeEngine[Any] = BigInteger() if dialect.name == "sqlite" else DateTime(timezone=True)
        return dialect.type_descriptor(kept_as)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> object:
        """Refuse a moment without a time zone: nobody knows which one was meant."""
        if value is None:
            return None
        if value.tzinfo is None:
            message = "a moment needs a time zone"
            raise ValueError(message)
        if dialect.name == "sqlite":
            return (value - _EPOCH) // _MICROSECOND
        return value

    def process_result_value(self, value: object, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - as inherited
        """Return the moment in UTC, whatever the server's time zone is."""
        if isinstance(value, int):
            return _EPOCH + value * _MICROSECOND
        return value.astimezone(UTC) if isinstance(value, datetime) else None


class Base(DeclarativeBase):
    """What all tables share."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class RequestHistory(Base):
    """One classified ECG, or one refused attempt, with what could be read of it.

    The order of the columns matters to SQLite, which reads a row from its start: numbers first, texts last.
    """

    __tablename__ = "request_history"
    __table_args__ = (
        # The bounds also keep out NaN and infinity, which PostgreSQL would store and SQLite turn into NULL.
        CheckConstraint("age BETWEEN 0 AND 120", name="age"),
        CheckConstraint("sex BETWEEN 0 AND 1", name="sex"),
        CheckConstraint("height BETWEEN 30 AND 272", name="height"),
        CheckConstraint("weight BETWEEN 1 AND 700", name="weight"),
        CheckConstraint("processing_time_ms BETWEEN 0 AND 1e9", name="processing_time_ms"),
        CheckConstraint("status_code BETWEEN 100 AND 599", name="status_code"),
        CheckConstraint("input_bytes >= 0", name="input_bytes"),
        CheckConstraint("image_width > 0", name="image_width"),
        CheckConstraint("image_height > 0", name="image_height"),
        # The statistics read these three and never the table. The first grows at its right end only.
        Index(
            "ix_request_history_inputs",
            "created_at",
            "age",
            "height",
            "weight",
            "processing_time_ms",
            "input_bytes",
            "image_width",
            "image_height",
        ),
        Index(
            "ix_request_history_groups",
            "predicted_class_name",
            "sex",
            "heart_axis",
            "success",
            "created_at",
        ),
        Index("ix_request_history_processing_time", "processing_time_ms", "created_at"),
        # The smallest one: a page of the history says how many records there are, and SQLite counts them here.
        Index("ix_request_history_success", "success"),
        # A key that was deleted is never given out again.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigIntegerKey, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    age: Mapped[float | None] = mapped_column(Double)
    sex: Mapped[int | None] = mapped_column(SmallInteger)
    height: Mapped[float | None] = mapped_column(Double)
    weight: Mapped[float | None] = mapped_column(Double)
    processing_time_ms: Mapped[float] = mapped_column(Double)
    success: Mapped[bool]
    status_code: Mapped[int] = mapped_column(SmallInteger)
    input_bytes: Mapped[int | None] = mapped_column(BigInteger)
    image_width: Mapped[int | None]
    image_height: Mapped[int | None]
    predicted_class_index: Mapped[int | None]
    predicted_class_name: Mapped[str | None] = mapped_column(String(128))
    heart_axis: Mapped[str | None] = mapped_column(String(16))
    request_type: Mapped[str] = mapped_column(String(16))
    source: Mapped[str] = mapped_column(String(16))
    predicted_class_description: Mapped[str | None] = mapped_column(String(256))
    error_message: Mapped[str | None] = mapped_column(String(512))
    model_version: Mapped[str | None] = mapped_column(String(64))
    request_id: Mapped[str | None] = mapped_column(String(128))
    queue_ms: Mapped[float | None] = mapped_column(Double)
    decode_ms: Mapped[float | None] = mapped_column(Double)
    prepare_ms: Mapped[float | None] = mapped_column(Double)
    features_ms: Mapped[float | None] = mapped_column(Double)
    model_ms: Mapped[float | None] = mapped_column(Double)
    write_ms: Mapped[float | None] = mapped_column(Double)


class User(Base):
    """An account.

    The keys are the names as they are compared (`app.core.names.name_key`): the databases disagree on the case of
    letters beyond ASCII.
    """

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("role IN ('patient', 'doctor', 'admin')", name="role"),
        # Whoever logs in with an e-mail address is found by the address; so no name may be somebody else's address.
        CheckConstraint("username_key NOT LIKE '%@%' OR username_key = email_key", name="username_is_own_email"),
        CheckConstraint("(email IS NULL) = (email_key IS NULL)", name="email"),
        # The upper end is where other programs' JSON stops to be exact; SQLite would go on in floating point.
        CheckConstraint("balance BETWEEN 0 AND 9007199254740991", name="balance"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigIntegerKey, primary_key=True)
    username: Mapped[str] = mapped_column(String(64))
    username_key: Mapped[str] = mapped_column(String(256), unique=True)
    email: Mapped[str | None] = mapped_column(String(254))
    email_key: Mapped[str | None] = mapped_column(String(254), unique=True)
    full_name: Mapped[str | None] = mapped_column(String(128))
    role: Mapped[str] = mapped_column(String(16))
    is_active: Mapped[bool]
    #: whether name, password and rights are those of the settings; true of one account at most
    is_from_settings: Mapped[bool]
    password_hash: Mapped[str] = mapped_column(String(255))
    #: stands in every access token; a token with another number is not valid any more
    token_version: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: whole credits; what the account's transactions add up to, kept here to be compared and changed in one statement
    balance: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class LoginSession(Base):
    """What began with a password and lives on by refresh tokens: their family."""

    __tablename__ = "login_sessions"
    __table_args__ = (
        Index("ix_login_sessions_user_id", "user_id"),
        Index("ix_login_sessions_idle_expires_at", "idle_expires_at"),
        # Access tokens name their session, so a number must never be given out again.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigIntegerKey, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    idle_expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RefreshToken(Base):
    """A refresh token that was given out, by its digest. Used ones are kept, so that their return is noticed."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (Index("ix_refresh_tokens_session_id", "session_id"),)

    token_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("login_sessions.id", ondelete="CASCADE"))
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ApiKey(Base):
    """A key for programs, by its digest."""

    __tablename__ = "api_keys"
    __table_args__ = (Index("ix_api_keys_user_id", "user_id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(BigIntegerKey, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(64))
    #: the beginning of the key, for its owner to recognise it
    prefix: Mapped[str] = mapped_column(String(16))
    key_digest: Mapped[str] = mapped_column(String(64), unique=True)
    #: separated by spaces
    scopes: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LoginFailures(Base):
    """How often a password was wrong: for an account, an address, or an account at an address.

    Which one is hidden in a keyed digest: a name that nobody has may be a password typed into the wrong field.
    """

    __tablename__ = "login_failures"
    __table_args__ = (
        CheckConstraint("failures >= 0", name="failures"),
        Index("ix_login_failures_expires_at", "expires_at"),
    )

    bucket: Mapped[str] = mapped_column(String(64), primary_key=True)
    failures: Mapped[int]
    blocked_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: the right password came from there once, so it is a place that its owner uses
    is_known: Mapped[bool]
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Transaction(Base):
    """One change of a balance: the truth that balances are sums of.

    Rows are never changed or deleted: triggers refuse it, made by the migration. One thing only may be done to a row,
    to empty its note, which is the one place where somebody could be named. Whoever is to be forgotten keeps the row in
    `users`, emptied of names, and by its number the sums stay right; so there is no cascade either.
    """

    __tablename__ = "transactions"
    __table_args__ = (
        CheckConstraint("type IN ('deposit', 'withdraw', 'refund')", name="type"),
        CheckConstraint("amount BETWEEN 1 AND 9007199254740991", name="amount"),
        CheckConstraint("balance_after BETWEEN 0 AND 9007199254740991", name="balance_after"),
        CheckConstraint("type = 'deposit' OR reference IS NOT NULL", name="reference"),
        # One charge and one refund for a thing, whoever tries how often.
        UniqueConstraint("type", "reference"),
        Index("ix_transactions_user_id_id", "user_id", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigIntegerKey, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    type: Mapped[str] = mapped_column(String(16))
    #: how many credits, whichever way they went
    amount: Mapped[int] = mapped_column(BigInteger)
    balance_after: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: who did it; null where nobody was logged in, as in scripts
    created_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    #: what it is about: a charge and its refund name the same thing
    reference: Mapped[str | None] = mapped_column(String(128))
    note: Mapped[str | None] = mapped_column(String(256))


class IdempotencyKey(Base):
    """A request that was answered, by the key its caller gave it; what came of it is in the same transaction."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        CheckConstraint("status BETWEEN 200 AND 499", name="status"),
        UniqueConstraint("user_id", "route", "key"),
        Index("ix_idempotency_keys_expires_at", "expires_at"),
    )

    id: Mapped[int] = mapped_column(BigIntegerKey, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    route: Mapped[str] = mapped_column(String(128))
    key: Mapped[str] = mapped_column(String(255))
    #: keyed: what a request says may be a patient's
    request_digest: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: the answer; null only within the transaction that claims the key, and for nobody else to see
    status: Mapped[int | None] = mapped_column(SmallInteger)
    headers: Mapped[str | None] = mapped_column(Text)
    body: Mapped[str | None] = mapped_column(Text)


def _one_at_a_time(person: str) -> ExcludeConstraint:
    """Refuse two active appointments of a person at once, on PostgreSQL.

    The number is made a range of itself, because ranges are what GiST compares without an extension.
    """
    return ExcludeConstraint(
        (text(f"int8range({person}_id, {person}_id, '[]')"), "&&"),
        (text("tstzrange(starts_at, ends_at)"), "&&"),
        name=f"ex_appointments_{person}",
        using="gist",
        where=text("status IN ('booked', 'confirmed')"),
    ).ddl_if(dialect="postgresql")


class Appointment(Base):
    """Time of a doctor that a patient has booked.

    Nobody has two active ones at once. Whoever writes locks both accounts first and looks; PostgreSQL makes sure of it
    once more by two constraints, SQLite has one writer.
    """

    __tablename__ = "appointments"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="time"),
        CheckConstraint("patient_id <> doctor_id", name="people"),
        CheckConstraint("status IN ('booked', 'confirmed', 'completed', 'cancelled', 'no_show')", name="status"),
        CheckConstraint("version >= 1", name="version"),
        _one_at_a_time("patient"),
        _one_at_a_time("doctor"),
        # The first finds what a new one may collide with, the others are the orders in which they are listed.
        Index("ix_appointments_doctor_id_ends_at", "doctor_id", "ends_at"),
        Index("ix_appointments_doctor_id_starts_at", "doctor_id", "starts_at"),
        Index("ix_appointments_patient_id_starts_at", "patient_id", "starts_at"),
        Index("ix_appointments_starts_at", "starts_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigIntegerKey, primary_key=True)
    patient_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    doctor_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: IANA name of the zone it was agreed in, and is shown in
    time_zone: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(16))
    #: grows with every change
    version: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    note: Mapped[str | None] = mapped_column(String(MAX_NOTE_CHARACTERS))
