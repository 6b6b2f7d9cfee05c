"""The audit log: what was refused or done, when and why, without any clear data of a person."""

from __future__ import annotations

from dataclasses import dataclass

from synapse_modules.store.interaction import Database, Transaction


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line.

    Attributes:
        what: e.g. ``sign-in-refused``.
        reason: the reason's code.
        actor: the calling client or the sign-in provider.
        kvnr_hash: the keyed hash, if a valid KVNR was named.
        user_id: the pseudonym concerned.
        room_id: the room concerned.
        reference: the id of the event that justifies it, such as a consent.
    """

    what: str
    reason: str
    actor: str
    kvnr_hash: str | None = None
    user_id: str | None = None
    room_id: str | None = None
    reference: str | None = None


def append_audit(txn: Transaction, entry: AuditEntry, *, at: int) -> None:
    """Writes a line down in the caller's transaction; ``at`` is in milliseconds since 1970."""
    txn.execute(
        "INSERT INTO hek_audit (at, what, reason, actor, kvnr_hash, user_id, room_id, reference)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            at,
            entry.what,
            entry.reason,
            entry.actor,
            entry.kvnr_hash,
            entry.user_id,
            entry.room_id,
            entry.reference,
        ),
    )


class AuditLog:
    """Append-only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, entry: AuditEntry, *, at: int) -> None:
        """Writes a line down."""
        await self._database.run("hek_audit", lambda txn: append_audit(txn, entry, at=at))
