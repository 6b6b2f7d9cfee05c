"""The session's part of the migrations of every service that has one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from messenger_core.matrix.store.durable_tables import create_durable_tables


def create_first_tables() -> None:
    """The tables of the first migration."""
    op.create_table(
        "matrix_position",
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("next_batch", sa.Text, nullable=False),
    )
    op.create_table(
        "matrix_journal",
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("room_id", sa.Text, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False, index=True),
        sa.Column("state", sa.Text, nullable=False, index=True),
        sa.Column("source", sa.Text),
    )
    op.create_table(
        "matrix_media",
        sa.Column("mxc", sa.Text, primary_key=True),
        sa.Column("room_id", sa.Text, nullable=False),
        sa.Column("used_at", sa.BigInteger, nullable=False, index=True),
    )


def make_durable() -> None:
    """From the first tables to those of the session that loses nothing; what was received is kept."""
    for name, indexes in (("matrix_position", ()), ("matrix_journal", ("received_at", "state"))):
        for column in indexes:
            op.drop_index(f"ix_{name}_{column}", table_name=name)
        op.rename_table(name, f"{name}_before")
        if op.get_bind().dialect.name == "postgresql":
            # The key's index keeps the old name otherwise, which the new table needs.
            op.execute(f"ALTER INDEX {name}_pkey RENAME TO {name}_before_pkey")
    create_durable_tables()
    op.add_column("matrix_media", sa.Column("reserved_for", sa.Text))
    op.execute(
        "INSERT INTO matrix_position (user_id, next_batch, batch) "
        "SELECT user_id, next_batch, 1 FROM matrix_position_before"
    )
    # What waited for its key has its turn again; an invitation was no event. Of what was parked only the id was kept.
    op.execute(
        "INSERT INTO matrix_journal (user_id, event_id, room_id, batch, place, received_at, since, kind, state, source,"
        " attempts, reason) "
        "SELECT p.user_id, j.event_id, j.room_id, 1,"
        " ROW_NUMBER() OVER (ORDER BY j.received_at, j.event_id), j.received_at, j.received_at,"
        " CASE j.state WHEN 'invitation' THEN 'invitation' ELSE 'event' END,"
        " CASE j.state WHEN 'settled' THEN 'settled' WHEN 'parked' THEN 'parked' ELSE 'pending' END,"
        " CASE j.state WHEN 'parked' THEN '{}' ELSE j.source END, 0,"
        " CASE j.state WHEN 'parked' THEN 'not kept' END "
        "FROM matrix_journal_before j CROSS JOIN matrix_position_before p"
    )
    for name in ("matrix_position_before", "matrix_journal_before"):
        op.drop_table(name)
