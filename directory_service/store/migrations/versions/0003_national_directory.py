"""The import of the national directory: its resources, the runs, and what could not be taken over."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "vzd_resource",
        sa.Column("reference", sa.Text, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
    )
    op.create_index("ix_vzd_resource_owner", "vzd_resource", ["owner"])
    op.create_index("ix_vzd_resource_run", "vzd_resource", ["run"])
    op.create_table(
        "vzd_link",
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("service", sa.Text, primary_key=True),
    )
    op.create_index("ix_vzd_link_service", "vzd_link", ["service"])
    op.create_table("vzd_touched", sa.Column("owner", sa.Text, primary_key=True))
    op.create_table(
        "vzd_entry",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("telematik_id", sa.Text, nullable=False, unique=True),
        sa.Column("hidden_entry", sa.Boolean, nullable=False),
        sa.Column("hidden_addresses", sa.Text, nullable=False),
    )
    op.create_table(
        "vzd_run",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("full", sa.Boolean, nullable=False),
        sa.Column("opt_out", sa.Boolean, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("counts", sa.Text, nullable=False),
    )
    op.create_table(
        "vzd_file",
        sa.Column("run", sa.Integer, sa.ForeignKey("vzd_run.id"), primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("modified_ns", sa.BigInteger, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sa.Column("read", sa.Boolean, nullable=False),
    )
    op.create_table(
        "vzd_fault",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        sa.Column("expression", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("rejected", sa.Boolean, nullable=False),
    )
    op.create_index("ix_vzd_fault_owner", "vzd_fault", ["owner"])
