"""The queue: a job's place in it, what listeners are told, and starts that a client may repeat

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("place", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("events", sa.Column("told", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.create_table(
        "idempotency",
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("reply", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"]),
        sa.PrimaryKeyConstraint("key"),
    )


def downgrade() -> None:
    op.drop_table("idempotency")
    op.drop_column("events", "told")
    op.drop_column("jobs", "place")
