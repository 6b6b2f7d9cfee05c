"""Practices, their specialties, what is reachable, what happened, and used statements."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "used_statement",
        sa.Column("issuer", sa.Text, primary_key=True),
        sa.Column("statement_id", sa.Text, primary_key=True),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_used_statement_expires_at", "used_statement", ["expires_at"])
    op.create_table(
        "practice",
        sa.Column("telematik_id", sa.Text, primary_key=True),
        sa.Column("resource_id", sa.Text, nullable=False, unique=True),
        sa.Column("user_id", sa.Text, nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("jwks", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("consent_text", sa.Text),
        sa.Column("line", sa.Text),
        sa.Column("postcode", sa.Text),
        sa.Column("city", sa.Text),
        sa.Column("all_words", sa.Text, nullable=False),
        sa.Column("name_words", sa.Text, nullable=False),
        sa.Column("city_words", sa.Text, nullable=False),
        sa.Column("reachability_version", sa.BigInteger),
    )
    op.create_index("ix_practice_reachability_version", "practice", ["reachability_version"])
    op.create_index("practice_in_search", "practice", ["state", "name_words", "resource_id"])
    op.create_table(
        "practice_specialty",
        sa.Column("telematik_id", sa.Text, sa.ForeignKey("practice.telematik_id"), primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True),
        sa.Column("code", sa.Text, nullable=False),
    )
    op.create_index("ix_practice_specialty_code", "practice_specialty", ["code"])
    reachability = op.create_table(
        "reachability",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    # It starts at 1, so that 0 always means "I know nothing yet".
    op.bulk_insert(reachability, [{"id": 1, "version": 1}])
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("telematik_id", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("consent_text", sa.Text),
    )
    op.create_index("ix_audit_telematik_id", "audit", ["telematik_id"])
