"""The tables of the HEK Messenger. Moments are milliseconds since 1970; texts are here only until they are relayed."""

from __future__ import annotations

import sqlalchemy as sa

from messenger_core.database import used_statements_table
from messenger_core.matrix.store.tables import session_tables

METADATA = sa.MetaData()

SUPPORT_ROOM = sa.Table(
    "support_room",
    METADATA,
    sa.Column("room_id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False, index=True),
    # invited, replacing (an own room is being made), waiting (for the person to join), joined, declined or left
    sa.Column("state", sa.Text, nullable=False, index=True),
    sa.Column("since", sa.BigInteger, nullable=False),
    # The alias of the room that replaces this one, written down before that room is made.
    sa.Column("replacement_alias", sa.Text),
)

TEAM_ROOM = sa.Table(
    "team_room",
    METADATA,
    sa.Column("team", sa.Text, primary_key=True),
    sa.Column("quarter", sa.Text, primary_key=True),
    sa.Column("room_id", sa.Text, nullable=False, unique=True),
)

CONVERSATION = sa.Table(
    "conversation",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("topic", sa.Text),
)

TICKET = sa.Table(
    "ticket",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("user_id", sa.Text, nullable=False, index=True),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("opened_at", sa.BigInteger, nullable=False),
    sa.Column("room_id", sa.Text),
    sa.Column("root_event_id", sa.Text, unique=True),
    sa.Column("closed_at", sa.BigInteger),
    # Whether the agents were told, since the last message or answer, that notes stay internal.
    sa.Column("note_hinted", sa.Boolean, nullable=False, default=False),
    sqlite_autoincrement=True,
)

MESSAGE = sa.Table(
    "ticket_message",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("event_id", sa.Text, nullable=False, unique=True),
    sa.Column("room_id", sa.Text, nullable=False),
    sa.Column("sender", sa.Text, nullable=False),
    sa.Column("ticket_id", sa.Integer, sa.ForeignKey("ticket.id"), index=True),
    sa.Column("direction", sa.Text, nullable=False),
    sa.Column("received_at", sa.BigInteger, nullable=False, index=True),
    # The event's content (JSON) for as long as it waits to be relayed.
    sa.Column("pending_content", sa.Text),
    sa.Column("relayed_at", sa.BigInteger),
    sqlite_autoincrement=True,
)

RELAYED_COPY = sa.Table(
    "relayed_copy",
    METADATA,
    sa.Column("relayed_event_id", sa.Text, primary_key=True),
    sa.Column("event_id", sa.Text, nullable=False, index=True),
    sa.Column("room_id", sa.Text, nullable=False),
    sa.Column("sent_at", sa.BigInteger, nullable=False, index=True),
)

OUTBOX = sa.Table(
    "outbox",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    # Rows of one lane leave in order.
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

CHANGE_POSITION = sa.Table(
    "change_position",
    METADATA,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("next", sa.BigInteger, nullable=False),
)

USED_STATEMENT = used_statements_table(METADATA)
SESSION = session_tables(METADATA)
