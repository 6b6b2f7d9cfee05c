"""Synapse's delayed events (MSC4140): those of a locked account wait, whoever knows their ids."""

from __future__ import annotations

from typing import Any, Protocol

from synapse.api.errors import NotFoundError
from synapse.handlers.delayed_events import DelayedEventsHandler
from synapse.server import HomeServer
from synapse.types import UserID

from synapse_modules.adapters.synapse_private.accounts import PrivateAccounts
from synapse_modules.adapters.synapse_private.features import Feature
from synapse_modules.adapters.synapse_private.wrapping import Call, put_in_front

FEATURES = (
    Feature(DelayedEventsHandler, "_send_events", ("events",)),
    Feature(DelayedEventsHandler, "cancel", ("request", "delay_id")),
    Feature(DelayedEventsHandler, "on_added", ("next_send_ts",)),
    Feature(DelayedEventsHandler, "restart", ("request", "delay_id")),
    Feature(DelayedEventsHandler, "send", ("request", "delay_id")),
)


class HeldEvents(Protocol):
    """Where delayed events stand (``store.delayed_events``)."""

    async def owner(self, delay_id: str) -> str | None:
        """The localpart of whoever scheduled an event."""
        ...

    async def release(self, localpart: str) -> int | None:
        """Makes somebody's held events due again; when the next event of all is to be sent, in milliseconds."""
        ...


class LockedDelayedEvents:
    """Holds the delayed events of locked accounts; Synapse sends them after an undo."""

    def __init__(self, hs: HomeServer, accounts: PrivateAccounts) -> None:
        self._hs = hs
        self._accounts = accounts

    def close(self, held: HeldEvents) -> None:
        """Puts the lock in front of sending, and of the calls that need no token but the event's id."""
        handler = self._hs.get_delayed_events_handler()

        async def send_due(call: Call) -> Any:
            sent = [event for event in call.arguments["events"] if not await self._is_locked(event.user_localpart)]
            return await call.go_on(events=sent)

        async def act(call: Call) -> Any:
            owner = await held.owner(call.arguments["delay_id"])
            if owner is not None and await self._is_locked(owner):
                request = call.arguments["request"]
                if self._hs.get_auth().has_access_token(request):
                    await self._hs.get_auth().get_user_by_req(request)
                raise NotFoundError("Delayed event not found")
            return await call.go_on()

        async def release(user_id: str) -> None:
            if not await self._accounts.is_locked(user_id):
                next_at = await held.release(UserID.from_string(user_id).localpart)
                if next_at is not None:
                    handler.on_added(next_at)

        for name in ("cancel", "restart", "send"):
            put_in_front(handler, name, act)
        put_in_front(handler, "_send_events", send_due)
        if self._hs.config.worker.worker_app is None:
            self._accounts.follow_locks(release)

    async def _is_locked(self, localpart: str) -> bool:
        return await self._accounts.is_locked(UserID(localpart, self._hs.hostname).to_string())
