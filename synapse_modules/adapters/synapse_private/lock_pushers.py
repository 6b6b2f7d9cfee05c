"""Synapse's pushers: those of a locked account stand still, and go on where they were when it is unlocked."""

from __future__ import annotations

from typing import Any

from synapse.api.errors import UserLockedError
from synapse.push import Pusher, PusherConfig
from synapse.push.httppusher import HttpPusher
from synapse.push.pusher import PusherFactory
from synapse.push.pusherpool import PusherPool
from synapse.server import HomeServer
from synapse.storage.databases.main.pusher import PusherWorkerStore

from synapse_modules.adapters.synapse_private.accounts import PrivateAccounts
from synapse_modules.adapters.synapse_private.features import Feature
from synapse_modules.adapters.synapse_private.wrapping import Call, put_in_front

FEATURES = (
    Feature(HttpPusher, "_send_badge", ("badge",)),
    Feature(HttpPusher, "dispatch_push", ("content",)),
    Feature(PusherFactory, "create_pusher", ("pusher_config",)),
    Feature(PusherPool, "_start_pusher", ("pusher_config",)),
    Feature(PusherPool, "maybe_stop_pusher", ("app_id", "pushkey", "user_id")),
    Feature(PusherPool, "process_pusher_change_by_id", ("app_id", "pushkey", "user_id")),
    Feature(PusherWorkerStore, "get_pushers_by_user_id", ("user_id",)),
)


class LockedPushers:
    """Stops and starts pushers in the process that runs them."""

    def __init__(self, hs: HomeServer, accounts: PrivateAccounts) -> None:
        self._hs = hs
        self._accounts = accounts
        self._pool = hs.get_pusherpool()

    def close(self) -> None:
        """Starts no pusher of a locked account, and lets none that is under way send anything."""
        kinds = self._pool.pusher_factory.pusher_types
        for kind, make in list(kinds.items()):
            kinds[kind] = self._guarded(make)
        put_in_front(self._pool, "_start_pusher", self._start)
        self._accounts.follow_locks(self._follow)

    def _guarded(self, make: Any) -> Any:
        def made(hs: HomeServer, config: PusherConfig) -> Pusher:
            pusher: Pusher = make(hs, config)
            if isinstance(pusher, HttpPusher):
                put_in_front(pusher, "dispatch_push", lambda call: self._send(config, call))
                put_in_front(pusher, "_send_badge", lambda call: self._send(config, call))
            return pusher

        return made

    async def _send(self, config: PusherConfig, call: Call) -> Any:
        """Raising ends the pusher's round and leaves its position, so that what waits is sent after an undo."""
        if await self._accounts.is_locked(config.user_name):
            raise UserLockedError
        return await call.go_on()

    async def _start(self, call: Call) -> Any:
        if await self._accounts.is_locked(call.arguments["pusher_config"].user_name):
            return None
        return await call.go_on()

    async def _follow(self, user_id: str) -> None:
        running = self._pool.pushers.get(user_id, {})
        if await self._accounts.is_locked(user_id):
            for pusher in list(running.values()):
                self._pool.maybe_stop_pusher(pusher.app_id, pusher.pushkey, user_id)
            return
        for stored in await self._hs.get_datastores().main.get_pushers_by_user_id(user_id):
            if f"{stored.app_id}:{stored.pushkey}" not in running:
                await self._pool.process_pusher_change_by_id(stored.app_id, stored.pushkey, user_id)
