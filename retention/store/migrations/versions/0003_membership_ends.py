"""Announced ends of memberships, and how far the homeserver's changes were read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "change_position",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("next", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "membership_end",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text, nullable=False, unique=True),
        sa.Column("ends_on", sa.Date),
        sa.Column("told_day", sa.Date),
        sa.Column("told_days_before", sa.Integer),
        sa.Column("invited_for", sa.Date),
    )
