"""The session's tables as its second migration makes them; frozen, as every migration is (see ``tables.py``)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


def create_durable_tables() -> None:
    """Makes every table of the second migration; the media ledger was there before."""
    op.create_table(
        "matrix_gap",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("room_id", sa.Text, nullable=False),
        sa.Column("batch", sa.BigInteger, nullable=False),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("until", sa.Text, nullable=False),
        sa.Column("next_place", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "room_id", "batch"),
    )
    op.create_table(
        "matrix_absence",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("room_id", sa.Text, nullable=False),
        sa.Column("until", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "room_id"),
    )
    op.create_table(
        "matrix_identity",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("first_master_key", sa.Text, nullable=False),
        sa.Column("master_key", sa.Text, nullable=False),
        sa.Column("self_signing_key", sa.Text),
        sa.PrimaryKeyConstraint("user_id", "owner"),
    )
    op.create_table(
        "matrix_journal",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("room_id", sa.Text, nullable=False),
        sa.Column("batch", sa.BigInteger, nullable=False),
        sa.Column("place", sa.BigInteger, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("source", sa.Text),
        sa.Column("session_id", sa.Text),
        sa.Column("megolm_place", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("user_id", "event_id"),
    )
    op.create_index("ix_matrix_journal_received_at", "matrix_journal", ["received_at"])
    op.create_index("matrix_journal_read_with", "matrix_journal", ["user_id", "room_id", "megolm_place"])
    op.create_index("matrix_journal_turn", "matrix_journal", ["user_id", "state", "room_id", "batch", "place"])
    op.create_table(
        "matrix_key_request",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("room_id", sa.Text, nullable=False),
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("device_id", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "request_id"),
    )
    op.create_table(
        "matrix_outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=True, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("room_id", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("payload", sa.Text),
        sa.Column("sending_id", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text),
        sa.Column("errcode", sa.Text),
        sa.Column("session_id", sa.Text),
        sa.Column("settled_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("user_id", "key", name="matrix_outbox_key"),
        sa.UniqueConstraint("user_id", "sending_id", name="matrix_outbox_sending_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("matrix_outbox_turn", "matrix_outbox", ["user_id", "state", "room_id", "id"])
    op.create_table(
        "matrix_owed_key",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("room_id", sa.Text, nullable=False),
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("device_id", sa.Text, nullable=False),
        sa.Column("message_index", sa.BigInteger, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "room_id", "session_id", "owner", "device_id"),
    )
    op.create_table(
        "matrix_position",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("next_batch", sa.Text, nullable=False),
        sa.Column("batch", sa.BigInteger, nullable=False),
        sa.Column("one_time_keys", sa.Integer),
        sa.PrimaryKeyConstraint("user_id"),
    )
    op.create_table(
        "matrix_relation",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("room_id", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "event_id"),
    )
    op.create_index("ix_matrix_relation_received_at", "matrix_relation", ["received_at"])
    op.create_index("matrix_relation_target", "matrix_relation", ["user_id", "room_id", "target"])
    op.create_table(
        "matrix_signed_device",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("device_id", sa.Text, nullable=False),
        sa.Column("ed25519", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "owner", "device_id"),
    )
    op.create_table(
        "matrix_stale_devices",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("batch", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "owner"),
    )
    op.create_table(
        "matrix_store_generation",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("device_id", sa.Text, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("user_id"),
    )
    op.create_table(
        "matrix_to_device",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=True, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_matrix_to_device_user_id", "matrix_to_device", ["user_id"])
