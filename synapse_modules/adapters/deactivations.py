"""Carries deactivations out: whatever was interrupted is taken up again, until nothing is left that must be gone."""

from __future__ import annotations

import logging

from messenger_core.clock import present_ms
from synapse_modules.adapters.rounds import for_each
from synapse_modules.adapters.synapse_private.deactivation import PrivateDeactivation
from synapse_modules.store.deactivations import Deactivations

logger = logging.getLogger(__name__)


class DeactivationWork:
    """Runs on one process; safe to be killed at any point and run again."""

    def __init__(self, deactivations: Deactivations, synapse: PrivateDeactivation) -> None:
        self._deactivations = deactivations
        self._synapse = synapse

    async def on_user_deactivation_status_changed(self, user_id: str, deactivated: bool, _by_admin: bool) -> None:
        """Called when anybody deactivates an account past this module: its person herself, or an administrator."""
        if deactivated:
            await self._deactivations.deactivated_directly(user_id, at=present_ms())

    async def take_over(self) -> None:
        """Takes over what Synapse was told while this module could not hear it."""
        for user_id in await self._deactivations.not_taken_over():
            await self._deactivations.deactivated_directly(user_id, at=present_ms())

    async def carry_out(self) -> None:
        """Brings every deactivation as far as it comes; one that fails stops no other, and is tried again."""
        unfinished = await self._deactivations.unfinished()
        await for_each(unfinished, self._carry_out_one, otherwise="an account could not be deactivated yet")

    async def _carry_out_one(self, user_id: str) -> None:
        await self._synapse.cut_off_sign_in(user_id)
        for room in await self._deactivations.rooms(user_id):
            if room.present:
                await self._synapse.leave(user_id, room.room_id)
            await self._synapse.forget(user_id, room.room_id)
        await self._synapse.deactivate(user_id)
        await self._synapse.delete_profile(user_id)
        await self._deactivations.clear_leftovers(user_id)
        left = await self._deactivations.remaining(user_id)
        if left:
            logger.warning("an account is not wholly deactivated yet, left in: %s", ", ".join(left))
            return
        await self._deactivations.finish(user_id, at=present_ms())
