"""Receives: each event of the account's rooms once, in order, decrypted, and journalled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import nio

from messenger_core.log import fault_without_text
from messenger_core.matrix.events import Invitation, ReceivedEvent
from messenger_core.matrix.faults import SendFailed, reaching_homeserver, taken
from messenger_core.matrix.guarded_client import GuardedClient
from messenger_core.matrix.journal import Journal

logger = logging.getLogger(__name__)

_SYNC_WAIT_MS = 30_000
_TIMELINE_LIMIT = 100
_HANDLER_ATTEMPTS = 3
_SHORTEST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0


class EventHandler(Protocol):
    """What a service does with what it receives."""

    async def handle(self, event: ReceivedEvent) -> None:
        """Handles one event of somebody else; called again after a failure or a kill, so it must be idempotent."""
        ...

    async def handle_invitation(self, invitation: Invitation) -> None:
        """Decides on an invitation; called again after a failure or a kill, so it must be idempotent."""
        ...


class Receiver:
    """The sync loop of one account."""

    def __init__(self, client: GuardedClient, journal: Journal, sign_in_again: Callable[[], Awaitable[None]]) -> None:
        self._client = client
        self._sign_in_again = sign_in_again
        self._journal = journal
        self._user_id: str = client.user_id

    async def run(self, handler: EventHandler) -> None:
        """Receives until it is cancelled; an outage of the homeserver is waited out."""
        pause, first = _SHORTEST_PAUSE_S, True
        while True:
            if await self._sync(handler, first=first):
                pause, first = _SHORTEST_PAUSE_S, False
            else:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def _sync(self, handler: EventHandler, *, first: bool) -> bool:
        """One sync; False if it failed."""
        try:
            with reaching_homeserver():
                return await self._sync_once(handler, first=first)
        except SendFailed as fault:
            logger.warning("sync failed: %s", fault)
            if fault.errcode == "M_UNKNOWN_TOKEN":
                await self._sign_in_again()
            return False

    async def _sync_once(self, handler: EventHandler, *, first: bool) -> bool:
        since = await self._journal.position()
        answer = taken(
            await self._client.sync(
                timeout=0 if first else _SYNC_WAIT_MS,
                since=since,
                full_state=first,
                sync_filter={"room": {"timeline": {"limit": _TIMELINE_LIMIT}}},
            )
        )
        await self._maintain_keys()
        if first:
            await self._retry_parked(handler)
        await self._take_in(answer, since, handler)
        await self._journal.move_to(answer.next_batch)
        return True

    async def _maintain_keys(self) -> None:
        """Uploads, queries and claims keys before any handler answers, so that answers reach new devices."""
        client = self._client
        if client.should_upload_keys:
            await client.keys_upload()
        if client.should_query_keys:
            await client.keys_query()
        if client.should_claim_keys:
            await client.keys_claim(client.get_users_for_key_claiming())
        await client.send_to_device_messages()

    async def _take_in(self, answer: nio.SyncResponse, since: str | None, handler: EventHandler) -> None:
        for room_id, waiting in await self._journal.waiting():
            event = nio.MegolmEvent.from_dict(waiting)
            event.room_id = room_id
            await self._deliver(room_id, event, handler)
        for room_id, invite in answer.rooms.invite.items():
            for event in invite.invite_state:
                source = event.source
                if source.get("type") == "m.room.member" and source.get("state_key") == self._user_id:
                    await self._journal.keep_invitation(Invitation(room_id, str(source.get("sender"))))
        for invitation in await self._journal.invitations():
            await self._invite(invitation, handler)
        for rooms in (answer.rooms.join, answer.rooms.leave):
            for room_id, room in rooms.items():
                if room.timeline.limited and since is not None:
                    for event in await self._missed(room_id, room.timeline.prev_batch, since):
                        await self._deliver(room_id, event, handler)
                for event in room.timeline.events:
                    await self._deliver(room_id, event, handler)

    async def _invite(self, invitation: Invitation, handler: EventHandler) -> None:
        try:
            await handler.handle_invitation(invitation)
        except Exception as fault:  # noqa: BLE001 - one bad invitation must not stop the others
            logger.error(  # noqa: TRY400 - a traceback may hold a person's data
                "handling an invitation failed, it is tried again: %s", fault_without_text(fault)
            )
        else:
            await self._journal.forget_invitation(invitation)

    async def _missed(self, room_id: str, start: str, end: str) -> Sequence[Any]:
        """The events between two sync tokens that a limited timeline left out, oldest first."""
        missed: list[Any] = []
        while True:
            page = taken(await self._client.room_messages(room_id, start, end, limit=_TIMELINE_LIMIT))
            missed.extend(page.chunk)
            if not page.chunk or not page.end:
                return missed[::-1]
            start = page.end

    async def _deliver(self, room_id: str, event: Any, handler: EventHandler) -> None:
        source = event.source
        waiting = isinstance(event, nio.MegolmEvent)
        if waiting:
            try:
                event = self._client.decrypt_event(event)
                waiting = False
            except Exception as fault:  # noqa: BLE001 - anybody can send an event that fails to decrypt in a new way
                logger.info("an event waits for its key: %s", type(fault).__name__)
        received = ReceivedEvent.from_source(
            room_id, event.source, encrypted=waiting or getattr(event, "decrypted", False)
        )
        if received.sender == self._user_id:
            return
        if waiting:
            if await self._journal.state(received.event_id) is None:
                await self._journal.record(received.event_id, room_id, received.sent_at, "waiting_key", source)
            return
        if await self._is_done(received.event_id):
            return
        await self._hand_over(received, handler)

    async def _is_done(self, event_id: str) -> bool:
        return await self._journal.state(event_id) in {"settled", "parked"}

    async def _hand_over(self, event: ReceivedEvent, handler: EventHandler) -> None:
        for attempt in range(1, _HANDLER_ATTEMPTS + 1):
            try:
                await handler.handle(event)
            except Exception as fault:  # noqa: BLE001 - one bad event must not stop the others
                logger.error(  # noqa: TRY400 - a traceback may hold a person's data
                    "handling an event failed, attempt %d of %d: %s",
                    attempt,
                    _HANDLER_ATTEMPTS,
                    fault_without_text(fault),
                )
                await asyncio.sleep(attempt)
            else:
                await self._journal.record(event.event_id, event.room_id, event.sent_at, "settled")
                return
        await self._journal.record(event.event_id, event.room_id, event.sent_at, "parked")

    async def _retry_parked(self, handler: EventHandler) -> None:
        """Gives events whose handler failed another chance at each start, when the fault may have been mended."""
        for room_id, event_id in await self._journal.parked():
            answer = await self._client.room_get_event(room_id, event_id)
            if not isinstance(answer, nio.RoomGetEventResponse):
                continue
            event = answer.event
            if isinstance(event, nio.MegolmEvent):
                event.room_id = room_id
                try:
                    event = self._client.decrypt_event(event)
                except Exception as fault:  # noqa: BLE001 - as in _deliver
                    logger.warning("a parked event cannot be decrypted: %s", type(fault).__name__)
                    continue
            received = ReceivedEvent.from_source(room_id, event.source, encrypted=getattr(event, "decrypted", False))
            await self._hand_over(received, handler)
