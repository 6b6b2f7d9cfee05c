"""Synapse's sessions: the devices of an account, with their tokens, keys and pushers."""

from __future__ import annotations

from synapse.handlers.device import DeviceHandler
from synapse.server import HomeServer

from synapse_modules.adapters.synapse_private.features import Feature

FEATURES = (Feature(DeviceHandler, "delete_all_devices_for_user", ("user_id",)),)


class PrivateSessions:
    """What the public module API cannot do with the sessions of an account."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs

    async def end_all(self, user_id: str) -> None:
        """Ends every session of an account; may be repeated."""
        await self._hs.get_device_handler().delete_all_devices_for_user(user_id)
