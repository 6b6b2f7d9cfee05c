"""Synapse's locks: the flag of an account, which every process is told of at once, and what ends or goes on with it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from synapse.handlers.delayed_events import DelayedEventsHandler
from synapse.handlers.room_member import RoomMemberHandler
from synapse.notifier import Notifier
from synapse.push.pusherpool import PusherPool
from synapse.server import HomeServer
from synapse.storage.database import LoggingTransaction
from synapse.storage.databases.main.account_data import AccountDataWorkerStore
from synapse.storage.databases.main.pusher import PusherWorkerStore
from synapse.storage.databases.main.registration import RegistrationWorkerStore
from synapse.types import StreamKeyType, UserID, create_requester

from messenger_core.log import fault_without_text
from synapse_modules.adapters.synapse_private.bell import Bell
from synapse_modules.adapters.synapse_private.features import Feature

FEATURES = (
    Feature(AccountDataWorkerStore, "get_max_account_data_stream_id"),
    Feature(DelayedEventsHandler, "on_added", ("next_send_ts",)),
    Feature(Notifier, "on_new_event", ("stream_key", "new_token", "users")),
    Feature(PusherPool, "maybe_stop_pusher", ("app_id", "pushkey", "user_id")),
    Feature(PusherPool, "process_pusher_change_by_id", ("app_id", "pushkey", "user_id")),
    Feature(PusherWorkerStore, "get_pushers_by_user_id", ("user_id",)),
    Feature(RegistrationWorkerStore, "get_user_by_id", ("user_id",)),
    Feature(RegistrationWorkerStore, "get_user_locked_status", ("user_id",)),
    Feature(RegistrationWorkerStore, "lookup_refresh_token", ("token",)),
    Feature(RegistrationWorkerStore, "set_user_locked_status_txn", ("txn", "user_id", "locked")),
    Feature(
        RoomMemberHandler,
        "update_membership",
        ("requester", "target", "room_id", "action", "ratelimit", "require_consent"),
    ),
)

logger = logging.getLogger(__name__)

LockChanged = Callable[[str], Awaitable[None]]
"""Called in every process, with a user id, after the account was locked or unlocked."""


class PrivateLocks:
    """What the public module API cannot do with an account that is locked."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs
        self._store = hs.get_datastores().main
        # Synapse describes its cached methods to a type checker of its own only.
        cached: Any = self._store
        self._find: Callable[[str], Awaitable[object | None]] = cached.get_user_by_id
        self._locked_status: Any = cached.get_user_locked_status
        self._followers: list[LockChanged] = [self._end_or_release_polls_and_pushers]
        self._bell = Bell(hs, "hek_lock_changed", self._changed)

    def listen(self) -> None:
        """Has this process hear of every lock."""
        self._bell.listen()

    # -- The flag -----------------------------------------------------------------------------------------------------

    async def set_locked(self, user_id: str, *, locked: bool) -> None:
        """Locks or unlocks an account; every request of a locked one is answered with 401.

        In one transaction with the bell, so that no process is killed between the lock and telling of it.
        """

        def work(txn: LoggingTransaction) -> None:
            self._store.set_user_locked_status_txn(txn, user_id, locked)
            self._bell.ring_with(txn, user_id)

        await self._store.db_pool.runInteraction("hek_set_locked", work)

    async def is_locked(self, user_id: str) -> bool:
        """Whether Synapse refuses the account's requests; False for people of other servers and unknown ones."""
        if not self._hs.is_mine_id(user_id) or await self._find(user_id) is None:
            return False
        locked: bool = await self._locked_status(user_id)
        return locked

    async def catch_up(self, user_id: str, *, locked: bool) -> None:
        """Does here what the bell does, if this process does not know of a lock, or of its end, that was written."""
        if await self.is_locked(user_id) is not locked:
            self._locked_status.invalidate((user_id,))
            self._changed(user_id)

    def follow_locks(self, follower: LockChanged) -> None:
        """Has something done in this process whenever an account was locked or unlocked, by whatever process."""
        self._followers.append(follower)

    def _changed(self, user_id: str) -> None:
        self._hs.run_as_background_process("hek_lock_changed", self._tell, user_id)

    async def _tell(self, user_id: str) -> None:
        for follower in self._followers:
            try:
                await follower(user_id)
            except Exception as fault:  # noqa: BLE001 - one that fails keeps no other from being told
                logger.error("a lock was not followed up: %s", fault_without_text(fault))  # noqa: TRY400

    # -- What a lock ends in a process --------------------------------------------------------------------------------

    async def _end_or_release_polls_and_pushers(self, user_id: str) -> None:
        """Wakes what waits, so that it looks, and is refused; stops pushers, or starts those that stood still."""
        pool = self._hs.get_pusherpool()
        running = pool.pushers.get(user_id, {})
        if await self.is_locked(user_id):
            position = self._store.get_max_account_data_stream_id()
            self._hs.get_notifier().on_new_event(StreamKeyType.ACCOUNT_DATA, position, users=[user_id])
            for pusher in list(running.values()):
                pool.maybe_stop_pusher(pusher.app_id, pusher.pushkey, user_id)
            return
        for stored in await self._store.get_pushers_by_user_id(user_id):
            if f"{stored.app_id}:{stored.pushkey}" not in running:
                await pool.process_pusher_change_by_id(stored.app_id, stored.pushkey, user_id)

    async def owner_of_refresh_token(self, token: str) -> str | None:
        """Whose a refresh token is; None if it is nobody's."""
        known = await self._store.lookup_refresh_token(token)
        return None if known is None else known.user_id

    # -- What waits for an undo ---------------------------------------------------------------------------------------

    @property
    def sends_delayed_events(self) -> bool:
        """Whether this process sends what people scheduled."""
        return self._hs.config.worker.worker_app is None

    def send_delayed_events_at(self, moment: int) -> None:
        """Has the next event that is due sent at a moment (milliseconds since 1970)."""
        self._hs.get_delayed_events_handler().on_added(moment)

    async def check_access_token(self, request: Any) -> None:
        """Refuses a request whose access token Synapse refuses; one without a token passes.

        Raises:
            SynapseError: if it is refused.
        """
        if self._hs.get_auth().has_access_token(request):
            await self._hs.get_auth().get_user_by_req(request)

    async def renew_member_event(self, user_id: str, room_id: str) -> None:
        """Writes the name of a member as it is now into a room; writes nothing if it stands there already."""
        user = UserID.from_string(user_id)
        await self._hs.get_room_member_handler().update_membership(
            create_requester(user, authenticated_entity=self._hs.hostname),
            user,
            room_id,
            "join",
            ratelimit=False,
            require_consent=False,
        )
