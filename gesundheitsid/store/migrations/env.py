"""Runs the broker's migrations on the connection that is open."""

from messenger_core.database import run_migrations

run_migrations()
