"""Create the ledger: users.balance and the append-only table transactions.

Revision ID: c27d94e05b18
Revises: 8f3b6a2d9c47
Create Date: 2026-11-25 04:00:00+00:00
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "c27d94e05b18"
down_revision: str | Sequence[str] | None = "8f3b6a2d9c47"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# SQLite numbers rows itself only where the key is INTEGER, and keeps moments as microseconds since 1970.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")

# One statement that both databases take as it is; a batch would copy the whole table on SQLite, and lose its checks.
ADD_BALANCE = """
ALTER TABLE users ADD COLUMN balance BIGINT DEFAULT 0 NOT NULL
CONSTRAINT ck_users_balance CHECK (balance BETWEEN 0 AND 9007199254740991)
"""

KEPT = "id, user_id, type, amount, balance_after, created_at, created_by, reference"
"""Everything but the note, which may be emptied and never filled."""
REFUSED = (
    ("transactions_keep_what_they_say", f"UPDATE OF {KEPT}", ""),
    ("transactions_keep_their_notes", "UPDATE OF note", "WHEN (NEW.note IS NOT NULL)"),
    ("transactions_stay", "DELETE", ""),
)
"""Name, event and condition of each trigger. Whoever rebuilds the table on SQLite has to make them anew."""
REASON = "transactions are not changed"


def upgrade() -> None:
    op.execute(ADD_BALANCE)
    op.create_table(
        "transactions",
        sa.Column("id", KEY, nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("balance_after", sa.BigInteger(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", KEY, nullable=True),
        sa.Column("reference", sa.String(128), nullable=True),
        sa.Column("note", sa.String(256), nullable=True),
        sa.CheckConstraint("type IN ('deposit', 'withdraw', 'refund')", name="type"),
        sa.CheckConstraint("amount BETWEEN 1 AND 9007199254740991", name="amount"),
        sa.CheckConstraint("balance_after BETWEEN 0 AND 9007199254740991", name="balance_after"),
        sa.CheckConstraint("type = 'deposit' OR reference IS NOT NULL", name="reference"),
        sa.PrimaryKeyConstraint("id", name="pk_transactions"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_transactions_user_id_users"),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name="fk_transactions_created_by_users"),
        sa.UniqueConstraint("type", "reference", name="uq_transactions_type_reference"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_transactions_user_id_id", "transactions", ["user_id", "id"])
    if op.get_context().dialect.name == "sqlite":
        guard_on_sqlite()
    else:
        guard_on_postgresql()


def guard_on_sqlite() -> None:
    for name, event, condition in REFUSED:
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {event} ON transactions {condition} "
            f"BEGIN SELECT RAISE(ABORT, '{REASON}'); END"
        )


def guard_on_postgresql() -> None:
    op.execute(f"""
        CREATE FUNCTION refuse_to_change_transactions() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '{REASON}' USING ERRCODE = 'restrict_violation';
        END
        $$
    """)
    refuse = "EXECUTE FUNCTION refuse_to_change_transactions()"
    for name, event, condition in REFUSED:
        op.execute(f"CREATE TRIGGER {name} BEFORE {event} ON transactions FOR EACH ROW {condition} {refuse}")
    op.execute(f"CREATE TRIGGER transactions_stay_all BEFORE TRUNCATE ON transactions FOR EACH STATEMENT {refuse}")


def downgrade() -> None:
    op.drop_table("transactions")
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_to_change_transactions()")
    op.execute("ALTER TABLE users DROP COLUMN balance")
