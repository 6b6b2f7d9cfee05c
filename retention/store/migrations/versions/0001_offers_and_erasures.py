"""Offers, service rooms, wished periods, erasures with their proof, and the session's tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from messenger_core.matrix.store.migrations import create_first_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_first_tables()
    op.create_table(
        "offer",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("month", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False, index=True),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("invited_at", sa.BigInteger),
        sa.Column("sending_since", sa.BigInteger),
        sa.Column("answer_event_id", sa.Text, unique=True),
        sa.Column("answered_at", sa.BigInteger),
        sa.UniqueConstraint("user_id", "month", name="offer_one_a_month"),
    )
    live = sa.text("state IN ('to_send', 'open', 'accepted', 'leaving')")
    op.create_index("offer_one_live", "offer", ["user_id"], unique=True, sqlite_where=live, postgresql_where=live)
    op.create_table(
        "offer_room",
        sa.Column("offer_id", sa.Text, sa.ForeignKey("offer.id"), primary_key=True),
        sa.Column("ordinal", sa.Integer, primary_key=True),
        sa.Column("room_id", sa.Text, nullable=False),
        sa.Column("last_message_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
    )
    op.create_table(
        "service_room",
        sa.Column("alias", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text, nullable=False, index=True),
        sa.Column("room_id", sa.Text, unique=True),
        sa.Column("made_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "invitation",
        sa.Column("room_id", sa.Text, primary_key=True),
        sa.Column("inviter", sa.Text, nullable=False),
    )
    op.create_table(
        "period_wish",
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("room_id", sa.Text, nullable=False),
        sa.Column("months", sa.Integer),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.Column("done", sa.Boolean, nullable=False),
    )
    op.create_table(
        "erasure",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("before", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
    )
    running = sa.text("state = 'running'")
    op.create_index(
        "erasure_one_running", "erasure", ["state"], unique=True, sqlite_where=running, postgresql_where=running
    )
    op.create_table(
        "erasure_room",
        sa.Column("erasure_id", sa.Text, sa.ForeignKey("erasure.id"), primary_key=True),
        sa.Column("room_id", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("messages", sa.Integer, nullable=False),
        sa.Column("media", sa.JSON, nullable=False),
    )
    op.create_table(
        "erasure_proof",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("seal", sa.Text, nullable=False),
    )
