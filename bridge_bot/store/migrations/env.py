"""Alembic's entry: runs the revisions on the connection that the component opened."""

from messenger_core.database import run_migrations

run_migrations()
