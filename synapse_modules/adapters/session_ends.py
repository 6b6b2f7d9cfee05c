"""Ends the sessions that stand on a key which is no longer the account's, however often that is interrupted."""

from __future__ import annotations

from messenger_core.clock import present_ms
from synapse_modules.adapters.rounds import for_each
from synapse_modules.adapters.synapse_private.sessions import PrivateSessions
from synapse_modules.store.sessions_to_end import SessionsToEnd


class SessionEnds:
    """Where a right ends, every session ends that stands on it (``docs/security.md``, what ends what)."""

    def __init__(self, to_end: SessionsToEnd, synapse: PrivateSessions) -> None:
        self._to_end = to_end
        self._synapse = synapse

    async def change_keys(self, user_id: str, jwks: str) -> None:
        """Gives a practice's account its keys; what stands on an old one ends, now if it did not at an earlier call.

        Raises:
            Exception: whatever Synapse raises; the next round ends what is left.
        """
        await self._to_end.change_keys(user_id, jwks, at=present_ms())
        if user_id in await self._to_end.all():
            await self._end(user_id)

    async def end_what_is_noted(self) -> None:
        """One round."""
        await for_each(await self._to_end.all(), self._end, otherwise="sessions on an old key could not be ended yet")

    async def _end(self, user_id: str) -> None:
        await self._synapse.end_all(user_id)
        await self._to_end.strike_out(user_id)
