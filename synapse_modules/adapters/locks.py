"""The lock, in one place: what the module's table says comes to Synapse's flag, to every process, and to the rooms.

1. ``apply``: Synapse's flag follows the table (``rules.membership``: who is locked, and why). In the process that moved
   an account, at once; for whatever was interrupted, on the main process with every look of ``stages``.
2. Synapse's bell tells every process, in the order of the database; each ends polls and pushers, or starts them again
   (``synapse_private.locks``). ``catch_up`` does the same in each process for what it missed while Redis was away.
3. On the main process, an undo makes delayed events due again, and ``bring_marks`` has the rooms show whether somebody
   reads; what a room did not take is tried again every round.

What a locked account may no longer do, ``lock_gate`` refuses (docs/decisions/0045 to 0048).
"""

from __future__ import annotations

from collections.abc import Sequence

from messenger_core.clock import present_ms
from synapse_modules.adapters.rounds import for_each
from synapse_modules.adapters.synapse_private.locks import PrivateLocks
from synapse_modules.store.interaction import Database
from synapse_modules.store.locks import AppliedLocks, DelayedEvents, MarkToBring, UnreachableMarks

# The table may change while Synapse is told, so it is looked at again; what is still open then, the next round does.
_MOST_LOOKS = 3


class Locks:
    """Brings locks where they must be seen; everything is safe to be run at any time and again."""

    def __init__(
        self, applied: AppliedLocks, marks: UnreachableMarks, delayed_events: DelayedEvents, synapse: PrivateLocks
    ) -> None:
        self._applied = applied
        self._marks = marks
        self._delayed_events = delayed_events
        self._synapse = synapse
        self._seen: set[str] = set()
        self._brings_marks = False
        self._looks_again = False

    async def apply(self, user_ids: Sequence[str] | None = None) -> None:
        """Brings Synapse's flags in line with the table.

        Args:
            user_ids: the accounts that were moved; None looks at all of them.
        """
        for _ in range(_MOST_LOOKS):
            changes = await self._applied.to_apply(user_ids)
            for change in changes:
                await self._synapse.set_locked(change.user_id, locked=change.locked)
            if not changes:
                return

    async def catch_up(self) -> None:
        """Compares who is locked with what this process saw the last time; what both know costs nothing."""
        locked = await self._applied.locked()
        for user_id in locked ^ self._seen:
            await self._synapse.catch_up(user_id, locked=user_id in locked)
        self._seen = locked

    def follow(self, *, brings_marks: bool) -> None:
        """Has this process do what follows a lock beside polls and pushers.

        Args:
            brings_marks: whether it is the one process that does.
        """
        if self._synapse.sends_delayed_events:
            self._synapse.follow_locks(self._release_delayed_events)
        if brings_marks:
            self._synapse.follow_locks(lambda _user_id: self.bring_marks())
        self._synapse.listen()

    async def _release_delayed_events(self, user_id: str) -> None:
        if not await self._synapse.is_locked(user_id):
            next_at = await self._delayed_events.release(user_id[1:].partition(":")[0])
            if next_at is not None:
                self._synapse.send_delayed_events_at(next_at)

    async def bring_marks(self) -> None:
        """Brings all rooms in line with the locks; called again while it runs, it looks once more at the end."""
        self._looks_again = True
        if self._brings_marks:
            return
        self._brings_marks = True
        try:
            while self._looks_again:
                self._looks_again = False
                for mark in await self._marks.due():
                    await self._bring(mark)
        finally:
            self._brings_marks = False

    async def _bring(self, mark: MarkToBring) -> None:
        if mark.locked:
            await self._marks.begin(mark.user_id)
        await for_each(
            await self._marks.rooms_to_change(mark),
            lambda room_id: self._synapse.renew_member_event(mark.user_id, room_id),
            otherwise="a room was not told of a lock, trying again",
        )
        # Not what was sent decides, but what the rooms show: a lock may have changed meanwhile.
        if not await self._marks.rooms_to_change(mark):
            await self._marks.finish(mark, at=present_ms())


def locks_of(database: Database, synapse: PrivateLocks) -> Locks:
    """The locks of a homeserver."""
    return Locks(AppliedLocks(database), UnreachableMarks(database), DelayedEvents(database), synapse)
