"""Runs retention's revisions."""

from messenger_core.database import run_migrations

run_migrations()
