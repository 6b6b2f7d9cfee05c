"""The session's tables, a part of the service's own database."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from alembic import op


@dataclass(frozen=True, slots=True)
class SessionTables:
    """Position in the stream, journal of events, and media ledger."""

    position: sa.Table
    journal: sa.Table
    media: sa.Table


def session_tables(metadata: sa.MetaData) -> SessionTables:
    """Describes the tables in a service's metadata.

    ``journal.state`` is ``settled``, ``waiting_key`` (``source`` is the encrypted event), ``parked`` (its handler
    failed) or ``invitation`` (``source`` says who invited; not decided yet).
    """
    return SessionTables(
        position=sa.Table(
            "matrix_position",
            metadata,
            sa.Column("user_id", sa.Text, primary_key=True),
            sa.Column("next_batch", sa.Text, nullable=False),
        ),
        journal=sa.Table(
            "matrix_journal",
            metadata,
            sa.Column("event_id", sa.Text, primary_key=True),
            sa.Column("room_id", sa.Text, nullable=False),
            sa.Column("received_at", sa.BigInteger, nullable=False, index=True),
            sa.Column("state", sa.Text, nullable=False, index=True),
            sa.Column("source", sa.Text),
        ),
        media=sa.Table(
            "matrix_media",
            metadata,
            sa.Column("mxc", sa.Text, primary_key=True),
            sa.Column("room_id", sa.Text, nullable=False),
            sa.Column("used_at", sa.BigInteger, nullable=False, index=True),
        ),
    )


def create_session_tables() -> None:
    """Creates the tables; called by the first migration of every service that has a session."""
    tables = session_tables(sa.MetaData())
    for table in (tables.position, tables.journal, tables.media):
        table.create(op.get_bind())
