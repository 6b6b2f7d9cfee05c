"""Sign-ins under way, codes, and sessions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "sign_in",
        sa.Column("handle", sa.Text, primary_key=True),
        sa.Column("browser", sa.Text, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("redirect_uri", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("nonce", sa.Text),
        sa.Column("challenge", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("idp", sa.Text),
        sa.Column("idp_nonce", sa.Text),
        sa.Column("idp_verifier", sa.Text),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_sign_in_expires_at", "sign_in", ["expires_at"])
    op.create_table(
        "grant_code",
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("redirect_uri", sa.Text, nullable=False),
        sa.Column("nonce", sa.Text),
        sa.Column("challenge", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("session", sa.Text, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("forget_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_grant_code_forget_at", "grant_code", ["forget_at"])
    op.create_table(
        "session",
        sa.Column("session", sa.Text, primary_key=True),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("access", sa.Text, nullable=False, unique=True),
        sa.Column("access_expires_at", sa.BigInteger, nullable=False),
        sa.Column("tell_at", sa.BigInteger),
        sa.Column("forget_at", sa.BigInteger, nullable=False),
    )
    for column in ("subject", "tell_at", "forget_at"):
        op.create_index(f"ix_session_{column}", "session", [column])
