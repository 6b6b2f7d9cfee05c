"""What Synapse's lock leaves open of a session: polls that wait, refresh tokens, OpenID tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from synapse.api.errors import UserLockedError
from synapse.federation.federation_server import FederationServer
from synapse.handlers.auth import AuthHandler
from synapse.handlers.events import EventStreamHandler
from synapse.handlers.sliding_sync import SlidingSyncHandler
from synapse.handlers.sync import SyncHandler
from synapse.notifier import Notifier
from synapse.server import HomeServer
from synapse.storage.databases.main.account_data import AccountDataWorkerStore
from synapse.storage.databases.main.registration import RegistrationWorkerStore
from synapse.types import StreamKeyType

from synapse_modules.adapters.synapse_private.accounts import PrivateAccounts
from synapse_modules.adapters.synapse_private.features import Feature
from synapse_modules.adapters.synapse_private.wrapping import Call, put_in_front

FEATURES = (
    Feature(AccountDataWorkerStore, "get_max_account_data_stream_id"),
    Feature(AuthHandler, "refresh_token", ("refresh_token",)),
    Feature(EventStreamHandler, "get_stream", ("requester",)),
    Feature(FederationServer, "on_openid_userinfo", ("token",)),
    Feature(Notifier, "on_new_event", ("stream_key", "new_token", "users")),
    Feature(Notifier, "wait_for_events", ("user_id", "callback")),
    Feature(RegistrationWorkerStore, "lookup_refresh_token", ("token",)),
    Feature(SlidingSyncHandler, "wait_for_sync_for_user", ("requester",)),
    Feature(SyncHandler, "wait_for_sync_for_user", ("requester",)),
)


class LockedSessions:
    """Ends what a locked account's devices still have open in this process, and refuses to begin it anew."""

    def __init__(self, hs: HomeServer, accounts: PrivateAccounts) -> None:
        self._hs = hs
        self._accounts = accounts

    def close(self) -> None:
        """Puts the lock in front of polls and of both kinds of token that Synapse does not ask it about."""
        put_in_front(self._hs.get_notifier(), "wait_for_events", self._wait)
        put_in_front(self._hs.get_sync_handler(), "wait_for_sync_for_user", self._answer_poll)
        put_in_front(self._hs.get_sliding_sync_handler(), "wait_for_sync_for_user", self._answer_poll)
        put_in_front(self._hs.get_event_stream_handler(), "get_stream", self._answer_poll)
        put_in_front(self._hs.get_auth_handler(), "refresh_token", self._refresh)
        put_in_front(self._hs.get_federation_server(), "on_openid_userinfo", self._openid)
        self._accounts.follow_locks(self._end_polls)

    async def _refuse_locked(self, user_id: str) -> None:
        if await self._accounts.is_locked(user_id):
            raise UserLockedError

    async def _wait(self, call: Call) -> Any:
        user_id, look = call.arguments["user_id"], call.arguments["callback"]
        if not self._hs.is_mine_id(user_id):
            # Synapse's own made-up name for whoever looks into a room without being in it.
            return await call.go_on()
        # The lock may have come after the request was let in and before it waits.
        await self._refuse_locked(user_id)
        return await call.go_on(callback=self._unless_locked(user_id, look))

    def _unless_locked(self, user_id: str, look: Callable[..., Any]) -> Callable[..., Any]:
        async def look_unless_locked(*tokens: Any) -> Any:
            await self._refuse_locked(user_id)
            return await look(*tokens)

        return look_unless_locked

    async def _answer_poll(self, call: Call) -> Any:
        """An answer that was being put together while the account was locked is not given."""
        answer = await call.go_on()
        await self._refuse_locked(call.arguments["requester"].user.to_string())
        return answer

    async def _end_polls(self, user_id: str) -> None:
        """Wakes what waits, so that it looks, and is refused."""
        if await self._accounts.is_locked(user_id):
            position = self._hs.get_datastores().main.get_max_account_data_stream_id()
            self._hs.get_notifier().on_new_event(StreamKeyType.ACCOUNT_DATA, position, users=[user_id])

    async def _refresh(self, call: Call) -> Any:
        token = await self._hs.get_datastores().main.lookup_refresh_token(call.arguments["refresh_token"])
        if token is not None:
            await self._refuse_locked(token.user_id)
        return await call.go_on()

    async def _openid(self, call: Call) -> str | None:
        user_id: str | None = await call.go_on()
        return None if user_id is None or await self._accounts.is_locked(user_id) else user_id
