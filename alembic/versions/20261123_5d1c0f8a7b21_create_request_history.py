"""Create request_history.

Revision ID: 5d1c0f8a7b21
Revises:
Create Date: 2026-11-23 15:40:00+00:00
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "5d1c0f8a7b21"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# SQLite numbers rows itself only where the key is INTEGER, and keeps moments as microseconds since 1970.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "request_history",
        sa.Column("id", KEY, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("age", sa.Double(), nullable=True),
        sa.Column("sex", sa.SmallInteger(), nullable=True),
        sa.Column("height", sa.Double(), nullable=True),
        sa.Column("weight", sa.Double(), nullable=True),
        sa.Column("processing_time_ms", sa.Double(), nullable=False),
        sa.Column("success", sa.Boolean(), nullable=False),
        sa.Column("status_code", sa.SmallInteger(), nullable=False),
        sa.Column("input_bytes", sa.BigInteger(), nullable=True),
        sa.Column("image_width", sa.Integer(), nullable=True),
        sa.Column("image_height", sa.Integer(), nullable=True),
        sa.Column("predicted_class_index", sa.Integer(), nullable=True),
        sa.Column("predicted_class_name", sa.String(128), nullable=True),
        sa.Column("heart_axis", sa.String(16), nullable=True),
        sa.Column("request_type", sa.String(16), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("predicted_class_description", sa.String(256), nullable=True),
        sa.Column("error_message", sa.String(512), nullable=True),
        sa.Column("model_version", sa.String(64), nullable=True),
        sa.Column("request_id", sa.String(128), nullable=True),
        sa.Column("queue_ms", sa.Double(), nullable=True),
        sa.Column("decode_ms", sa.Double(), nullable=True),
        sa.Column("prepare_ms", sa.Double(), nullable=True),
        sa.Column("features_ms", sa.Double(), nullable=True),
        sa.Column("model_ms", sa.Double(), nullable=True),
        sa.Column("write_ms", sa.Double(), nullable=True),
        sa.CheckConstraint("age BETWEEN 0 AND 120", name="age"),
        sa.CheckConstraint("sex BETWEEN 0 AND 1", name="sex"),
        sa.CheckConstraint("height BETWEEN 30 AND 272", name="height"),
        sa.CheckConstraint("weight BETWEEN 1 AND 700", name="weight"),
        sa.CheckConstraint("processing_time_ms BETWEEN 0 AND 1e9", name="processing_time_ms"),
        sa.CheckConstraint("status_code BETWEEN 100 AND 599", name="status_code"),
        sa.CheckConstraint("input_bytes >= 0", name="input_bytes"),
        sa.CheckConstraint("image_width > 0", name="image_width"),
        sa.CheckConstraint("image_height > 0", name="image_height"),
        sa.PrimaryKeyConstraint("id", name="pk_request_history"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_request_history_inputs",
        "request_history",
        ["created_at", "age", "height", "weight", "processing_time_ms", "input_bytes", "image_width", "image_height"],
    )
    op.create_index(
        "ix_request_history_groups",
        "request_history",
        ["predicted_class_name", "sex", "heart_axis", "success", "created_at"],
    )
    op.create_index("ix_request_history_processing_time", "request_history", ["processing_time_ms", "created_at"])
    op.create_index("ix_request_history_success", "request_history", ["success"])


def downgrade() -> None:
    op.drop_table("request_history")
