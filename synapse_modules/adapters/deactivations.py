"""Carries deactivations out: whatever was interrupted is taken up again, until nothing is left that must be gone."""

from __future__ import annotations

import logging

from synapse.module_api import ModuleApi

from messenger_core.log import fault_without_text
from synapse_modules.adapters.present import now_ms
from synapse_modules.adapters.synapse_private.deactivation import PrivateDeactivation
from synapse_modules.store.deactivations import Deactivations

logger = logging.getLogger(__name__)


class DeactivationWork:
    """Runs on one process; safe to be killed at any point and run again."""

    def __init__(self, api: ModuleApi, deactivations: Deactivations, synapse: PrivateDeactivation) -> None:
        self._deactivations = deactivations
        self._synapse = synapse
        api.register_third_party_rules_callbacks(
            on_user_deactivation_status_changed=self.on_user_deactivation_status_changed
        )

    async def on_user_deactivation_status_changed(self, user_id: str, deactivated: bool, _by_admin: bool) -> None:
        """Called when anybody deactivates an account past this module: its person herself, or an administrator."""
        if deactivated:
            await self._deactivations.deactivated_directly(user_id, at=now_ms())

    async def take_over(self) -> None:
        """Takes over what Synapse was told while this module could not hear it."""
        for user_id in await self._deactivations.not_taken_over():
            await self._deactivations.deactivated_directly(user_id, at=now_ms())

    async def carry_out(self) -> None:
        """Brings every deactivation as far as it comes; one that fails stops no other, and is tried again."""
        for user_id in await self._deactivations.unfinished():
            try:
                left = await self._carry_out_one(user_id)
            except Exception as fault:  # noqa: BLE001 - one account's trouble must not keep the others
                logger.warning("an account could not be deactivated yet: %s", fault_without_text(fault))
            else:
                if left:
                    logger.warning("an account is not wholly deactivated yet, left in: %s", ", ".join(left))

    async def _carry_out_one(self, user_id: str) -> list[str]:
        await self._synapse.cut_off_sign_in(user_id)
        for room in await self._deactivations.rooms(user_id):
            if room.present:
                await self._synapse.leave(user_id, room.room_id)
            await self._synapse.forget(user_id, room.room_id)
        await self._synapse.deactivate(user_id)
        await self._synapse.delete_profile(user_id)
        await self._deactivations.clear_leftovers(user_id)
        left = await self._deactivations.remaining(user_id)
        if not left:
            await self._deactivations.finish(user_id, at=now_ms())
        return left
