"""Whole profiles, practices that were only invited, versions of everything, and the audit log as a hash chain.

The tables are made anew and filled from the old ones, which is the same on both databases.
"""

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_START = "0" * 64
_SHOWN = "opted-in"


def upgrade() -> None:
    rows = {
        name: _rows(f"SELECT * FROM {name} ORDER BY {order}")  # noqa: S608 - the names stand below
        for name, order in (
            ("practice", "telematik_id"),
            ("practice_specialty", "telematik_id, place"),
            ("reachability", "id"),
            ("audit", "id"),
        )
    }
    for name in ("practice_specialty", "practice", "reachability", "audit"):
        op.drop_table(name)
    _fill(_new_tables(), rows)


def _rows(query: str) -> list[dict[str, Any]]:
    return [dict(row) for row in op.get_bind().execute(sa.text(query)).mappings()]


def _new_tables() -> dict[str, sa.Table]:
    practice = op.create_table(
        "practice",
        sa.Column("telematik_id", sa.Text, primary_key=True),
        sa.Column("resource_id", sa.Text, nullable=False, unique=True),
        sa.Column("user_id", sa.Text, unique=True),
        sa.Column("jwks", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("consent_text", sa.Text),
        sa.Column("consent_by", sa.Text),
        sa.Column("consent_at", sa.BigInteger),
        sa.Column("profile", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False, unique=True),
        sa.Column("listed", sa.Boolean, nullable=False),
        sa.Column("open_to_insured", sa.Boolean, nullable=False),
        sa.Column("all_words", sa.Text, nullable=False),
        sa.Column("name_words", sa.Text, nullable=False),
        sa.Column("city_words", sa.Text, nullable=False),
        sa.Column("postcode", sa.Text),
    )
    op.create_index("practice_in_search", "practice", ["open_to_insured", "name_words", "resource_id"])
    op.create_index("practice_listed", "practice", ["listed", "version"])
    specialty = op.create_table(
        "practice_specialty",
        sa.Column("telematik_id", sa.Text, sa.ForeignKey("practice.telematik_id"), primary_key=True),
        sa.Column("code", sa.Text, primary_key=True),
    )
    op.create_index("ix_practice_specialty_code", "practice_specialty", ["code"])
    open_address = op.create_table(
        "open_address",
        sa.Column("telematik_id", sa.Text, sa.ForeignKey("practice.telematik_id"), primary_key=True),
        sa.Column("user_id", sa.Text, primary_key=True),
    )
    op.create_index("ix_open_address_user_id", "open_address", ["user_id"])
    account = op.create_table(
        "reachable_account",
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("reachable", sa.Boolean, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False, unique=True),
    )
    version = op.create_table(
        "directory_version",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("practices", sa.BigInteger, nullable=False),
        sa.Column("reachable", sa.BigInteger, nullable=False),
        sa.Column("audit_entries", sa.BigInteger, nullable=False),
        sa.Column("audit_head", sa.Text, nullable=False),
    )
    audit = op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("telematik_id", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("consent_text", sa.Text),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.create_index("ix_audit_telematik_id", "audit", ["telematik_id"])
    return {
        "practice": practice,
        "practice_specialty": specialty,
        "open_address": open_address,
        "reachable_account": account,
        "directory_version": version,
        "audit": audit,
    }


def _fill(tables: dict[str, sa.Table], old: dict[str, list[dict[str, Any]]]) -> None:
    audit, head = _chained(old["audit"])
    specialties: dict[str, list[str]] = {}
    for row in old["practice_specialty"]:
        specialties.setdefault(row["telematik_id"], []).append(row["code"])
    new: dict[str, list[dict[str, Any]]] = {
        "practice": [
            _practice(row, number + 1, specialties.get(row["telematik_id"], []), old["audit"])
            for number, row in enumerate(old["practice"])
        ],
        "practice_specialty": [
            {"telematik_id": row["telematik_id"], "code": row["code"]} for row in old["practice_specialty"]
        ],
        "open_address": [
            {"telematik_id": row["telematik_id"], "user_id": row["user_id"]}
            for row in old["practice"]
            if row["state"] == _SHOWN
        ],
        "reachable_account": [
            {
                "user_id": row["user_id"],
                "reachable": row["state"] == _SHOWN,
                "version": row["reachability_version"],
            }
            for row in old["practice"]
            if row["reachability_version"] is not None
        ],
        # Versions start at 1, so that 0 always means "I know nothing yet".
        "directory_version": [
            {
                "id": 1,
                "practices": len(old["practice"]) + 1,
                "reachable": old["reachability"][0]["version"],
                "audit_entries": len(audit),
                "audit_head": head,
            }
        ],
        "audit": audit,
    }
    for name, rows in new.items():
        if rows:
            op.bulk_insert(tables[name], rows)


def _practice(row: dict[str, Any], number: int, specialties: list[str], audit: list[dict[str, Any]]) -> dict[str, Any]:
    profile: dict[str, Any] = {"name": row["name"]}
    if specialties:
        profile["specialties"] = specialties
    if row["city"] is not None:
        profile["address"] = [row["line"], row["postcode"], row["city"], None]
    profile["messengers"] = [[row["user_id"], "tim", True]]
    shown = row["state"] == _SHOWN
    choices = [
        entry for entry in audit if entry["telematik_id"] == row["telematik_id"] and entry["what"] in {_SHOWN, "paused"}
    ]
    chosen = choices[-1] if choices and row["consent_text"] is not None else None
    kept = ("telematik_id", "resource_id", "user_id", "jwks", "state", "all_words", "name_words", "city_words")
    return {name: row[name] for name in kept} | {
        "consent_text": row["consent_text"] if chosen else None,
        "consent_by": chosen["by"] if chosen else None,
        "consent_at": chosen["at"] if chosen else None,
        "profile": json.dumps(profile, ensure_ascii=False, separators=(",", ":")),
        "version": number + 1,
        "listed": shown,
        "open_to_insured": shown,
        "postcode": row["postcode"],
    }


def _chained(entries: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], str]:
    """The entries numbered without gaps, each with its hash; and the last hash."""
    head, chained = _START, []
    for number, entry in enumerate(entries, start=1):
        fields = [head, number, *(entry[name] for name in ("telematik_id", "at", "what", "by", "consent_text"))]
        head = hashlib.sha256(json.dumps(fields, separators=(",", ":")).encode("ascii")).hexdigest()
        chained.append(entry | {"id": number, "hash": head})
    return chained, head
