"""The event of each offer, so that a reply to an older list is read with that list's numbers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("offer", sa.Column("event_id", sa.Text))
    # What was sent within the last month is known to the session by its key.
    op.execute(
        "UPDATE offer SET event_id = "
        "(SELECT max(sent.event_id) FROM matrix_outbox AS sent WHERE sent.key = 'offer ' || offer.id)"
    )
    op.create_index("ix_offer_event_id", "offer", ["event_id"], unique=True)
