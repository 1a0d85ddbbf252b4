"""Create the table appointments.

Revision ID: e41a7c95d208
Revises: a64f1e83d07c
Create Date: 2026-11-25 05:00:00+00:00
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "e41a7c95d208"
down_revision: str | Sequence[str] | None = "a64f1e83d07c"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# SQLite numbers rows itself only where the key is INTEGER, and keeps moments as microseconds since 1970.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
INDEXES = (("doctor_id", "ends_at"), ("doctor_id", "starts_at"), ("patient_id", "starts_at"), ("starts_at",))


def upgrade() -> None:
    op.create_table(
        "appointments",
        sa.Column("id", KEY, nullable=False),
        sa.Column("patient_id", KEY, nullable=False),
        sa.Column("doctor_id", KEY, nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("note", sa.String(1000), nullable=True),
        sa.CheckConstraint("starts_at < ends_at", name="time"),
        sa.CheckConstraint("patient_id <> doctor_id", name="people"),
        sa.CheckConstraint("status IN ('booked', 'confirmed', 'completed', 'cancelled', 'no_show')", name="status"),
        sa.CheckConstraint("version >= 1", name="version"),
        sa.PrimaryKeyConstraint("id", name="pk_appointments"),
        sa.ForeignKeyConstraint(["patient_id"], ["users.id"], name="fk_appointments_patient_id_users"),
        sa.ForeignKeyConstraint(["doctor_id"], ["users.id"], name="fk_appointments_doctor_id_users"),
        sqlite_autoincrement=True,
    )
    for columns in INDEXES:
        op.create_index(f"ix_appointments_{'_'.join(columns)}", "appointments", list(columns))
    if op.get_context().dialect.name == "postgresql":
        for person in ("patient", "doctor"):
            allow_one_at_a_time(person)


def allow_one_at_a_time(person: str) -> None:
    """GiST compares ranges without an extension, so the number becomes a range of itself."""
    op.execute(f"""
        ALTER TABLE appointments ADD CONSTRAINT ex_appointments_{person} EXCLUDE USING gist (
            int8range({person}_id, {person}_id, '[]') WITH &&,
            tstzrange(starts_at, ends_at) WITH &&
        ) WHERE (status IN ('booked', 'confirmed'))
    """)


def downgrade() -> None:
    op.drop_table("appointments")
