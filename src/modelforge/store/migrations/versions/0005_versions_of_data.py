"""Datasets: which version a version was made from, how, and what a closer look found

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("datasets", sa.Column("parent_id", sa.Integer(), nullable=True))
    op.add_column("datasets", sa.Column("change", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("datasets", sa.Column("examination", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("datasets", "examination")
    op.drop_column("datasets", "change")
    op.drop_column("datasets", "parent_id")
