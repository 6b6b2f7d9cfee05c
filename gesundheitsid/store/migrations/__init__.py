"""Alembic revisions of the broker's tables."""
