"""Judges what is sent into rooms that are made: messages, deletions and state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Literal

from synapse.api.errors import Codes
from synapse.module_api import NOT_SPAM, EventBase, ModuleApi

from messenger_core.clock import present_ms
from synapse_modules.adapters.parties import Parties
from synapse_modules.adapters.refusals import Refusals
from synapse_modules.adapters.room_register import RoomRegister
from synapse_modules.rules.messages import DELETION, check_deletion, check_message, check_readers, is_for_readers
from synapse_modules.rules.reach import Refusal
from synapse_modules.rules.room_state import check_state
from synapse_modules.store.rooms import Rooms

Verdict = Literal["NOT_SPAM"] | Codes
RemoteVerdict = Callable[[EventBase], Awaitable[Verdict]]


class EventGate:
    """Stands at the one narrow callback, not at ``check_event_allowed`` (docs/decisions/0007).

    Who sends an event is live: Synapse answers every request of a locked account with 401. So what is asked here is
    what an account and a room are, which every process knows by heart after the first time, and for insured people
    whether their practice is there, which Synapse has at hand when it makes an event.
    """

    def __init__(
        self,
        api: ModuleApi,
        *,
        rooms: Rooms,
        register: RoomRegister,
        parties: Parties,
        refusals: Refusals,
        deletable_for: timedelta | None,
        from_elsewhere: RemoteVerdict | None = None,
    ) -> None:
        """Makes it; ``from_elsewhere`` judges events of other servers, the same rules do if there is none."""
        self._api = api
        self._rooms = rooms
        self._register = register
        self._parties = parties
        self._refusals = refusals
        self._deletable_for = deletable_for
        self._from_elsewhere = from_elsewhere

    async def check_event_for_spam(self, event: EventBase) -> Verdict:
        """Called for every event of a room that is made; decides on facts of our database only.

        Raises:
            SynapseError: if it is refused.
        """
        if self._from_elsewhere is not None and not self._api.is_mine(event.sender):
            return await self._from_elsewhere(event)
        refusal = await self.verdict(event)
        if refusal is not None:
            raise self._refusals.error(refusal)
        return NOT_SPAM

    async def verdict(self, event: EventBase) -> Refusal | None:
        """What the rules of our rooms say of an event; None if it may be sent."""
        room = await self._register.settle(event.room_id)
        sender = (await self._parties.kinds([event.sender])).get(event.sender)
        # Synapse's own kind of mapping compares its keys with nothing.
        content = dict(event.content)
        if event.is_state():
            return check_state(sender, room, event.type, event.state_key, content)
        refusal = check_message(sender, room, event.type, content)
        if refusal is None and is_for_readers(sender, room, event.type):
            refusal = check_readers(await self._register.practices(event.room_id))
        if refusal is None and event.type == DELETION:
            target = await self._rooms.sent(event.room_id, event.redacts) if event.redacts else None
            return check_deletion(event.sender, target, now=present_ms(), max_age=self._deletable_for)
        return refusal
