"""The audit log's entries as lines of a copy that is kept apart from the database."""

from __future__ import annotations

import json

from directory_service.rules.audit_chain import AuditEntry

_NAMES = ("number", "telematik_id", "at", "what", "by", "consent_text")
_TYPES = (int, str, int, str, str, str | None)


class UnreadableLine(Exception):  # noqa: N818 - reads as what it is
    """A line is no entry of an audit log."""


def line_of(entry: AuditEntry, written_hash: str) -> str:
    """An entry with its hash as one line of JSON, without its end."""
    said = {name: getattr(entry, name) for name in _NAMES}
    return json.dumps(said | {"hash": written_hash}, ensure_ascii=True, separators=(",", ":"))


def read_line(line: str) -> tuple[AuditEntry, str]:
    """The entry of a line, and its hash.

    Raises:
        UnreadableLine: if it is none.
    """
    try:
        said = json.loads(line)
        values = [said[name] for name in _NAMES]
        written_hash = said["hash"]
    except (ValueError, TypeError, KeyError):
        raise UnreadableLine from None
    if not all(map(isinstance, [*values, written_hash], [*_TYPES, str])):
        raise UnreadableLine
    return AuditEntry(*values), written_hash
