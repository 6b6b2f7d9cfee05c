"""First tables: session, support and team rooms, conversations, tickets, messages, outbox, used statements."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from messenger_core.matrix.store.migrations import create_first_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_first_tables()
    op.create_table(
        "support_room",
        sa.Column("room_id", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text, nullable=False, index=True),
        sa.Column("state", sa.Text, nullable=False, index=True),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("replacement_alias", sa.Text),
    )
    op.create_table(
        "team_room",
        sa.Column("team", sa.Text, primary_key=True),
        sa.Column("quarter", sa.Text, primary_key=True),
        sa.Column("room_id", sa.Text, nullable=False, unique=True),
    )
    op.create_table(
        "conversation",
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("topic", sa.Text),
    )
    op.create_table(
        "ticket",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("user_id", sa.Text, nullable=False, index=True),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("team", sa.Text, nullable=False),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
        sa.Column("room_id", sa.Text),
        sa.Column("root_event_id", sa.Text, unique=True),
        sa.Column("closed_at", sa.BigInteger),
        sa.Column("note_hinted", sa.Boolean, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "ticket_message",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.Text, nullable=False, unique=True),
        sa.Column("room_id", sa.Text, nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("ticket_id", sa.Integer, sa.ForeignKey("ticket.id"), index=True),
        sa.Column("direction", sa.Text, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False, index=True),
        sa.Column("pending_content", sa.Text),
        sa.Column("relayed_at", sa.BigInteger),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "relayed_copy",
        sa.Column("relayed_event_id", sa.Text, primary_key=True),
        sa.Column("event_id", sa.Text, nullable=False, index=True),
        sa.Column("room_id", sa.Text, nullable=False),
        sa.Column("sent_at", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("lane", sa.Text, nullable=False, index=True),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False, index=True),
        sa.Column("event_id", sa.Text),
        sa.Column("ticket_id", sa.Integer),
        sa.Column("user_id", sa.Text),
        sa.Column("room_id", sa.Text),
        sa.Column("text", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "change_position",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("next", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "used_statement",
        sa.Column("issuer", sa.Text, primary_key=True),
        sa.Column("statement_id", sa.Text, primary_key=True),
        sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
    )
