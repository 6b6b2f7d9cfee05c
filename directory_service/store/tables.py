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
    # Both null until the practice joined.
    sa.Column("user_id", sa.Text, unique=True),
    sa.Column("jwks", sa.Text),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("consent_text", sa.Text),
    sa.Column("consent_by", sa.Text),
    sa.Column("consent_at", sa.BigInteger),
    # JSON, as store/profile_document.py writes it.
    sa.Column("profile", sa.Text, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False, unique=True),
    # What its sessions and tokens stand on.
    sa.Column("epoch", sa.Integer, nullable=False, server_default="0"),
    # What rules/practice.py says of the row, for queries.
    sa.Column("listed", sa.Boolean, nullable=False),
    sa.Index("practice_listed", "listed", "version"),
)

# The addresses at which insured people may reach a practice now; practices may share one.
open_address = sa.Table(
    "open_address",
    metadata,
    sa.Column("telematik_id", sa.Text, sa.ForeignKey("practice.telematik_id"), primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True, index=True),
)

# Every address that was ever reachable, and the version of the reachable set at which it last became so or ceased to.
reachable_account = sa.Table(
    "reachable_account",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("reachable", sa.Boolean, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False, unique=True),
)

# One row. Whoever changes a practice holds it until the commit, so that versions become visible in their order and the
# audit log is one chain.
directory_version = sa.Table(
    "directory_version",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    # Of the practices; each change of one takes the next.
    sa.Column("practices", sa.BigInteger, nullable=False),
    # Of the reachable set; each address that comes or goes takes the next.
    sa.Column("reachable", sa.BigInteger, nullable=False),
    sa.Column("audit_entries", sa.BigInteger, nullable=False),
    sa.Column("audit_head", sa.Text, nullable=False),
    # Under which rules every profile was looked at (ProfileRules.mark); empty if under none.
    sa.Column("checked_by", sa.Text, nullable=False, server_default=""),
)

# Append-only: what happened to a practice, when, by whom, and with which version of the text that it agreed to; each
# entry with the hash of all before it (rules/audit_chain.py).
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("telematik_id", sa.Text, nullable=False, index=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("consent_text", sa.Text),
    sa.Column("hash", sa.Text, nullable=False),
)

# The import: the national directory's (VZD) resources as they were last told, and how far a run has come.

# The resources, with what this directory reads of them; a delta may bring any one of an entry's alone.
vzd_resource = sa.Table(
    "vzd_resource",
    metadata,
    # Kind/ID
    sa.Column("reference", sa.Text, primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
    # Of an entry point: the Organization or Practitioner that it belongs to, known or not.
    sa.Column("owner", sa.Text, index=True),
    # The run that told it last, and where it stood: FILE:LINE or FILE:ENTRY.
    sa.Column("run", sa.Integer, nullable=False, index=True),
    sa.Column("source", sa.Text, nullable=False),
)

# Which entry points lead to a Location or an Endpoint.
vzd_link = sa.Table(
    "vzd_link",
    metadata,
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("service", sa.Text, primary_key=True, index=True),
)

# The entries that have to be put together anew, by their Organization or Practitioner.
vzd_touched = sa.Table("vzd_touched", metadata, sa.Column("owner", sa.Text, primary_key=True))

# The entries that became practices, and what of them was said to be hidden (rules/imported_entry.py).
vzd_entry = sa.Table(
    "vzd_entry",
    metadata,
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("telematik_id", sa.Text, nullable=False, unique=True),
    sa.Column("hidden_entry", sa.Boolean, nullable=False),
    sa.Column("hidden_addresses", sa.Text, nullable=False),
)

vzd_run = sa.Table(
    "vzd_run",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    # The process that works on it; another one that takes over writes its own mark.
    sa.Column("worker", sa.Text, nullable=False),
    sa.Column("full", sa.Boolean, nullable=False),
    sa.Column("opt_out", sa.Boolean, nullable=False),
    sa.Column("phase", sa.Text, nullable=False),
    sa.Column("counts", sa.Text, nullable=False),
)

vzd_file = sa.Table(
    "vzd_file",
    metadata,
    sa.Column("run", sa.Integer, sa.ForeignKey("vzd_run.id"), primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("modified_ns", sa.BigInteger, nullable=False),
    # How far it is read: entries or lines, and the byte after them.
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("offset", sa.BigInteger, nullable=False),
    sa.Column("read", sa.Boolean, nullable=False),
)

# What could not be taken over: of a line (owner is null), or of an entry, until that is put together anew.
vzd_fault = sa.Table(
    "vzd_fault",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("run", sa.Integer, nullable=False),
    sa.Column("owner", sa.Text, index=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("expression", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("rejected", sa.Boolean, nullable=False),
)

# Codes with which practices sign in to their page, each good once and for ten minutes (rules/sign_in_codes.py).
sign_in_code = sa.Table(
    "sign_in_code",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False, index=True),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
)

# Who is signed in at the pages; each session by the digest of what its cookie holds.
page_session = sa.Table(
    "page_session",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("user_id", sa.Text, nullable=False, index=True),
    # Of the practice when it began; 0 of insured people.
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("begun_at", sa.BigInteger, nullable=False, index=True),
    sa.Column("used_at", sa.BigInteger, nullable=False),
)
