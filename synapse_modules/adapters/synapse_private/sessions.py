"""Synapse's sessions of an account: ending all of them, with what still waits in any process."""

from __future__ import annotations

import time

from cachetools import TTLCache
from synapse.handlers.auth import AuthHandler
from synapse.handlers.device import DeviceHandler
from synapse.notifier import Notifier
from synapse.server import HomeServer
from synapse.storage.databases.main.account_data import AccountDataWorkerStore
from synapse.types import StreamKeyType

from synapse_modules.adapters.synapse_private.bell import Bell
from synapse_modules.adapters.synapse_private.features import Feature

FEATURES = (
    Feature(AccountDataWorkerStore, "get_max_account_data_stream_id"),
    Feature(AuthHandler, "delete_access_tokens_for_user", ("user_id",)),
    Feature(DeviceHandler, "delete_all_devices_for_user", ("user_id",)),
    Feature(Notifier, "on_new_event", ("stream_key", "new_token", "users")),
)
_MOST_REMEMBERED = 10_000
# No client waits longer for an answer.
_REMEMBERED_S = 24 * 3600


class PrivateSessions:
    """What the public module API cannot do with the sessions of an account."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs
        self._ended_at_s: TTLCache[str, float] = TTLCache(_MOST_REMEMBERED, _REMEMBERED_S)
        self._bell = Bell(hs, "hek_sessions_ended", self._wake)

    def listen(self) -> None:
        """Has this process hear of every end."""
        self._bell.listen()

    async def end_all(self, user_id: str) -> None:
        """Deletes all devices and tokens of an account, and ends its polls in every process; safe to be repeated."""
        await self._bell.ring(user_id)
        await self._hs.get_auth_handler().delete_access_tokens_for_user(user_id)
        # For polls that began until now; a device that goes would wake them with an answer.
        await self._bell.ring(user_id)
        await self._hs.get_device_handler().delete_all_devices_for_user(user_id)

    def ended_since(self, user_id: str, moment_s: float) -> bool:
        """Whether all sessions of an account were ended after a moment (``time.monotonic``)."""
        return self._ended_at_s.get(user_id, moment_s) > moment_s

    def _wake(self, user_id: str) -> None:
        self._ended_at_s[user_id] = time.monotonic()
        position = self._hs.get_datastores().main.get_max_account_data_stream_id()
        self._hs.get_notifier().on_new_event(StreamKeyType.ACCOUNT_DATA, position, users=[user_id])
