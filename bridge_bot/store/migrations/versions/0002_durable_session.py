"""The Matrix session's journal, outbox and keys, so that nothing is lost."""

from __future__ import annotations

from messenger_core.matrix.store.migrations import make_durable

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    make_durable()
