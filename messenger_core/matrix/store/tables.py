"""The session's tables, a part of the service's own database.

Every table has the account's ``user_id``, so that several accounts may share one database. Instants are milliseconds
since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

# SQLite counts up an INTEGER key alone.
_COUNTED = sa.BigInteger().with_variant(sa.Integer, "sqlite")


@dataclass(frozen=True, slots=True)
class SessionTables:
    """The tables of one service's metadata."""

    position: sa.Table
    journal: sa.Table
    relation: sa.Table
    gap: sa.Table
    absence: sa.Table
    to_device: sa.Table
    stale_devices: sa.Table
    outbox: sa.Table
    media: sa.Table
    owed_key: sa.Table
    key_request: sa.Table
    identity: sa.Table
    signed_device: sa.Table
    store_generation: sa.Table


def session_tables(metadata: sa.MetaData) -> SessionTables:
    """Describes the tables in a service's metadata."""
    return SessionTables(
        position=_position(metadata),
        journal=_journal(metadata),
        relation=_relation(metadata),
        gap=_gap(metadata),
        absence=_absence(metadata),
        to_device=_to_device(metadata),
        stale_devices=_stale_devices(metadata),
        outbox=_outbox(metadata),
        media=_media(metadata),
        owed_key=_owed_key(metadata),
        key_request=_key_request(metadata),
        identity=_identity(metadata),
        signed_device=_signed_device(metadata),
        store_generation=_store_generation(metadata),
    )


def _position(metadata: sa.MetaData) -> sa.Table:
    """How far the account has read the stream; ``batch`` counts the answers taken in.

    ``one_time_keys`` is how many the homeserver had left.
    """
    return sa.Table(
        "matrix_position",
        metadata,
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("next_batch", sa.Text, nullable=False),
        sa.Column("batch", sa.BigInteger, nullable=False),
        sa.Column("one_time_keys", sa.Integer),
    )


def _journal(metadata: sa.MetaData) -> sa.Table:
    """Every event received.

    Within its room an event's turn is (``batch``, ``place``); what filled a gap has negative places. ``state`` is
    ``pending``, ``waiting_key``, ``parked`` or ``settled``; ``since`` is when it was received or, at the end, handled.
    ``source`` is the event as it came (JSON, ASCII), gone once it is settled. ``kind`` is ``event`` or ``invitation``.
    ``session_id`` is the room key that it waits for; ``megolm_place`` the key and index that it was read with: no
    second event may have the same. ``reason`` is why it is parked, a short code.
    """
    return sa.Table(
        "matrix_journal",
        metadata,
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("room_id", sa.Text, nullable=False),
        sa.Column("batch", sa.BigInteger, nullable=False),
        sa.Column("place", sa.BigInteger, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False, index=True),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("source", sa.Text),
        sa.Column("session_id", sa.Text),
        sa.Column("megolm_place", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Index("matrix_journal_turn", "user_id", "state", "room_id", "batch", "place"),
        sa.Index("matrix_journal_read_with", "user_id", "room_id", "megolm_place"),
    )


def _relation(metadata: sa.MetaData) -> sa.Table:
    """Which event (``event_id``) redacts or replaces (``kind``) which (``target``), whatever order they came in."""
    return sa.Table(
        "matrix_relation",
        metadata,
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("room_id", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False, index=True),
        sa.Index("matrix_relation_target", "user_id", "room_id", "target"),
    )


def _gap(metadata: sa.MetaData) -> sa.Table:
    """What a limited timeline left out: from ``token`` back to ``until``; the room's events from ``batch`` on wait."""
    return sa.Table(
        "matrix_gap",
        metadata,
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("room_id", sa.Text, primary_key=True),
        sa.Column("batch", sa.BigInteger, primary_key=True),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("until", sa.Text, nullable=False),
        sa.Column("next_place", sa.BigInteger, nullable=False),
    )


def _absence(metadata: sa.MetaData) -> sa.Table:
    """Rooms that the account was out of, or is invited to: from ``until`` on their events have not been read."""
    return sa.Table(
        "matrix_absence",
        metadata,
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("room_id", sa.Text, primary_key=True),
        sa.Column("until", sa.Text, nullable=False),
    )


def _to_device(metadata: sa.MetaData) -> sa.Table:
    """To-device messages that were not given to the encryption yet, as they came (JSON, ASCII)."""
    return sa.Table(
        "matrix_to_device",
        metadata,
        sa.Column("id", _COUNTED, primary_key=True, autoincrement=True),
        sa.Column("user_id", sa.Text, nullable=False, index=True),
        sa.Column("source", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )


def _stale_devices(metadata: sa.MetaData) -> sa.Table:
    """People whose list of devices changed in ``batch`` and has to be asked for before anything is sent to them."""
    return sa.Table(
        "matrix_stale_devices",
        metadata,
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("batch", sa.BigInteger, nullable=False),
    )


def _outbox(metadata: sa.MetaData) -> sa.Table:
    """What is to be sent and what was.

    ``state`` is ``queued``, ``accepted`` (the homeserver named ``event_id``, but a device has not got the room key
    ``session_id`` yet), ``sent`` or ``refused``. ``payload`` is frozen, in clear (JSON), and gone once the homeserver
    took it. ``sending_id`` is random; it stands beside the ciphertext, so that what was sent is recognised even when
    the homeserver forgot the transaction.
    """
    return sa.Table(
        "matrix_outbox",
        metadata,
        sa.Column("id", _COUNTED, primary_key=True, autoincrement=True),
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
        sa.UniqueConstraint("user_id", "key", name="matrix_outbox_key"),
        sa.UniqueConstraint("user_id", "sending_id", name="matrix_outbox_sending_id"),
        sa.Index("matrix_outbox_turn", "user_id", "state", "room_id", "id"),
        sqlite_autoincrement=True,
    )


def _media(metadata: sa.MetaData) -> sa.Table:
    """The media ledger: every file's address, the room that uses it, and when it was used last.

    ``reserved_for`` is the account to which the homeserver gave an address that nothing was uploaded to yet.
    """
    return sa.Table(
        "matrix_media",
        metadata,
        sa.Column("mxc", sa.Text, primary_key=True),
        sa.Column("room_id", sa.Text, nullable=False),
        sa.Column("used_at", sa.BigInteger, nullable=False, index=True),
        sa.Column("reserved_for", sa.Text),
    )


def _owed_key(metadata: sa.MetaData) -> sa.Table:
    """Devices that should have a room key of ours, from a message (``message_index``) on, and have not got it yet.

    ``device_id`` is ``*`` while the owner's homeserver could not be asked which devices there are.
    """
    return sa.Table(
        "matrix_owed_key",
        metadata,
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("room_id", sa.Text, primary_key=True),
        sa.Column("session_id", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("device_id", sa.Text, primary_key=True),
        sa.Column("message_index", sa.BigInteger, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", sa.BigInteger, nullable=False),
    )


def _key_request(metadata: sa.MetaData) -> sa.Table:
    """Room keys that a sender's device was asked for."""
    return sa.Table(
        "matrix_key_request",
        metadata,
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("request_id", sa.Text, primary_key=True),
        sa.Column("room_id", sa.Text, nullable=False),
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("device_id", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", sa.BigInteger, nullable=False),
    )


def _identity(metadata: sa.MetaData) -> sa.Table:
    """Other people's cross-signing keys, as the homeserver named them first and names them now."""
    return sa.Table(
        "matrix_identity",
        metadata,
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("first_master_key", sa.Text, nullable=False),
        sa.Column("master_key", sa.Text, nullable=False),
        sa.Column("self_signing_key", sa.Text),
    )


def _signed_device(metadata: sa.MetaData) -> sa.Table:
    """Devices that their owner's identity signed."""
    return sa.Table(
        "matrix_signed_device",
        metadata,
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("device_id", sa.Text, primary_key=True),
        sa.Column("ed25519", sa.Text, nullable=False),
    )


def _store_generation(metadata: sa.MetaData) -> sa.Table:
    """How far the store of the encryption keys had come; an older store was restored from a backup."""
    return sa.Table(
        "matrix_store_generation",
        metadata,
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("device_id", sa.Text, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
    )
