"""The tables of retention, described once for the store, the migrations and their test."""

from __future__ import annotations

import sqlalchemy as sa

from messenger_core.matrix.store.tables import session_tables

metadata = sa.MetaData()
session = session_tables(metadata)

# Times are milliseconds since 1970.
offer = sa.Table(
    "offer",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("month", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, index=True),
    sa.Column("made_at", sa.BigInteger, nullable=False),
    # Stored before she is invited: who has left after that has answered, and is not invited again.
    sa.Column("invited_at", sa.BigInteger),
    # Only what she writes after this moment can be an answer to the offer.
    sa.Column("sending_since", sa.BigInteger),
    # Under which event she reads it: an answer may be a reply to it after another list was sent.
    sa.Column("event_id", sa.Text),
    sa.Column("answer_event_id", sa.Text, unique=True),
    sa.Column("answered_at", sa.BigInteger),
    sa.UniqueConstraint("user_id", "month", name="offer_one_a_month"),
)
sa.Index("ix_offer_event_id", offer.c.event_id, unique=True)
sa.Index(
    "offer_one_live",
    offer.c.user_id,
    unique=True,
    sqlite_where=sa.text("state IN ('to_send', 'open', 'accepted', 'leaving')"),
    postgresql_where=sa.text("state IN ('to_send', 'open', 'accepted', 'leaving')"),
)

offer_room = sa.Table(
    "offer_room",
    metadata,
    sa.Column("offer_id", sa.Text, sa.ForeignKey("offer.id"), primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True),
    sa.Column("room_id", sa.Text, nullable=False),
    sa.Column("last_message_at", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
)

# The alias is drawn and stored before the room is made, so that an interrupted call finds its room again.
service_room = sa.Table(
    "service_room",
    metadata,
    sa.Column("alias", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False, index=True),
    sa.Column("room_id", sa.Text, unique=True),
    sa.Column("made_at", sa.BigInteger, nullable=False),
)

invitation = sa.Table(
    "invitation",
    metadata,
    sa.Column("room_id", sa.Text, primary_key=True),
    sa.Column("inviter", sa.Text, nullable=False),
)

period_wish = sa.Table(
    "period_wish",
    metadata,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("room_id", sa.Text, nullable=False),
    sa.Column("months", sa.Integer),
    sa.Column("asked_at", sa.BigInteger, nullable=False),
    sa.Column("done", sa.Boolean, nullable=False),
)

change_position = sa.Table(
    "change_position",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("next", sa.BigInteger, nullable=False),
)

membership_end = sa.Table(
    "membership_end",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False, unique=True),
    # None once the end was taken back and the person, who was told of it, is still to be told that.
    sa.Column("ends_on", sa.Date),
    sa.Column("told_day", sa.Date),
    sa.Column("told_days_before", sa.Integer),
    sa.Column("invited_for", sa.Date),
)

chat_notice = sa.Table(
    "chat_notice",
    metadata,
    sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("room_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("happened_at", sa.BigInteger, nullable=False),
    sa.Column("is_invited", sa.Boolean, nullable=False),
)

erasure = sa.Table(
    "erasure",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("before", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
)
sa.Index(
    "erasure_one_running",
    erasure.c.state,
    unique=True,
    sqlite_where=sa.text("state = 'running'"),
    postgresql_where=sa.text("state = 'running'"),
)

erasure_room = sa.Table(
    "erasure_room",
    metadata,
    sa.Column("erasure_id", sa.Text, sa.ForeignKey("erasure.id"), primary_key=True),
    sa.Column("room_id", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("messages", sa.Integer, nullable=False),
    sa.Column("media", sa.JSON, nullable=False),
)

erasure_proof = sa.Table(
    "erasure_proof",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("previous", sa.Text, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("seal", sa.Text, nullable=False),
)
