"""Under which rules every profile was looked at."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    with op.batch_alter_table("directory_version") as version:
        version.add_column(sa.Column("checked_by", sa.Text, nullable=False, server_default=""))
