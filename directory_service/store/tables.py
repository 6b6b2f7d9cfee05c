"""The directory's tables, described once; the migrations make them."""

from __future__ import annotations

import sqlalchemy as sa

from messenger_core.database import used_statements_table

metadata = sa.MetaData()

used_statement = used_statements_table(metadata)

practice = sa.Table(
    "practice",
    metadata,
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
    # Folded by rules/folding.py; see rules/matching.py, SearchForms.
    sa.Column("all_words", sa.Text, nullable=False),
    sa.Column("name_words", sa.Text, nullable=False),
    sa.Column("city_words", sa.Text, nullable=False),
    # The version at which insured people last began or ceased to reach it; null if they never did.
    sa.Column("reachability_version", sa.BigInteger, index=True),
    sa.Index("practice_in_search", "state", "name_words", "resource_id"),
)

practice_specialty = sa.Table(
    "practice_specialty",
    metadata,
    sa.Column("telematik_id", sa.Text, sa.ForeignKey("practice.telematik_id"), primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True),
    sa.Column("code", sa.Text, nullable=False, index=True),
)

# One row: the version of the set of reachable practices. Whoever changes the set holds the row until the commit, so
# that versions become visible in their order.
reachability = sa.Table(
    "reachability",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
)

# Append-only: what happened to a practice, when, and with which version of the text that it agreed to.
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("telematik_id", sa.Text, nullable=False, index=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("consent_text", sa.Text),
)
