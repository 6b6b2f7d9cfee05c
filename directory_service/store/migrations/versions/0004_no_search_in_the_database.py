"""Practices are searched in memory alone: what the database was once searched by is gone."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.drop_table("practice_specialty")
    op.drop_index("practice_in_search", "practice")
    for name in ("open_to_insured", "all_words", "name_words", "city_words", "postcode"):
        op.drop_column("practice", name)
