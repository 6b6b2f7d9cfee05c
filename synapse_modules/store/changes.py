"""The numbered list of what happened to accounts, which bot and retention follow."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

from synapse_modules.store.interaction import Database, Transaction

_MOST_AT_ONCE = 500


class What(StrEnum):
    """What happened."""

    ACCOUNT_MADE = "account-made"
    ANNOUNCED = "announced"
    LOCKED = "locked"
    UNDONE = "undone"
    DEACTIVATED = "deactivated"
    REACHABILITY_WITHDRAWN = "reachability-withdrawn"
    ROOM_LEFT = "room-left"
    """Somebody was taken out of a room that another server changed against the rules."""
    LEFT_ALONE = "left-alone"
    """Nobody but insured people is left in a chat; it will be emptied."""
    PRACTICE_PAUSES = "practice-pauses"
    """A practice that an insured person has a chat with takes no new chats any more; this one goes on."""


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the list; ``at`` is in milliseconds since 1970, ``room_id`` the chat that it is about, if any."""

    version: int
    at: int
    user_id: str
    kind: str
    what: str
    room_id: str | None = None

    def as_wire(self) -> dict[str, object]:
        """The change as the contract has it."""
        return asdict(self)


def append_change(
    txn: Transaction, *, at: int, user_id: str, kind: str, what: What, room_id: str | None = None
) -> None:
    """Adds a line in the caller's transaction.

    The counter's row stays locked until the transaction ends, so that no reader ever passes a number that comes later.
    """
    txn.execute("UPDATE hek_change_version SET version = version + 1")
    txn.execute(
        "INSERT INTO hek_change (version, at, user_id, kind, what, room_id)"
        " SELECT version, ?, ?, ?, ?, ? FROM hek_change_version",
        (at, user_id, kind, what.value, room_id),
    )


class Changes:
    """Reads the list."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def since(self, version: int) -> list[Change]:
        """At most 500 changes after a version, oldest first."""

        def work(txn: Transaction) -> list[Change]:
            txn.execute(
                "SELECT version, at, user_id, kind, what, room_id FROM hek_change WHERE version > ?"
                " ORDER BY version LIMIT ?",
                (version, _MOST_AT_ONCE),
            )
            return [Change(*row) for row in txn.fetchall()]

        return await self._database.run("hek_changes_since", work)
