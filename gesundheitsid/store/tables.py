"""The broker's tables, described once; the migrations make them. Moments are seconds since 1970.

What a person could be recognised by is only in ``grant.sealed``, encrypted with a key that only the code's holder has.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

# A sign-in under way: what the client asked, and what we asked the identity provider.
sign_in = sa.Table(
    "sign_in",
    metadata,
    # SHA-256 of the handle that stands in the form and is the state of our own request.
    sa.Column("handle", sa.Text, primary_key=True),
    # SHA-256 of the browser's cookie.
    sa.Column("browser", sa.Text, nullable=False),
    sa.Column("client_id", sa.Text, nullable=False),
    sa.Column("redirect_uri", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("nonce", sa.Text),
    sa.Column("challenge", sa.Text, nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),
    # Null until an identity provider is asked.
    sa.Column("idp", sa.Text),
    sa.Column("idp_nonce", sa.Text),
    sa.Column("idp_verifier", sa.Text),
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
)

# A code that was given to a client; it is kept a while after its use, so that a second use is recognised.
grant = sa.Table(
    "grant_code",
    metadata,
    # SHA-256 of the code.
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column("client_id", sa.Text, nullable=False),
    sa.Column("redirect_uri", sa.Text, nullable=False),
    sa.Column("nonce", sa.Text),
    sa.Column("challenge", sa.Text, nullable=False),
    # Null once the code was used.
    sa.Column("sealed", sa.LargeBinary),
    sa.Column("session", sa.Text, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("forget_at", sa.BigInteger, nullable=False, index=True),
)

# A sign-in that a client has, under a pairwise pseudonym.
session = sa.Table(
    "session",
    metadata,
    sa.Column("session", sa.Text, primary_key=True),
    sa.Column("client_id", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False, index=True),
    # SHA-256 of the access token.
    sa.Column("access", sa.Text, nullable=False, unique=True),
    sa.Column("access_expires_at", sa.BigInteger, nullable=False),
    # Set while the client still has to be told that the session has ended; it is gone then.
    sa.Column("tell_at", sa.BigInteger, index=True),
    sa.Column("forget_at", sa.BigInteger, nullable=False, index=True),
)
