"""What is asked before anything of another server counts in a room, and before somebody of ours is in one there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synapse.api.constants import EventTypes, Membership, RejectedReason
from synapse.events import EventBase, make_event_from_dict
from synapse.events.utils import prune_event
from synapse.module_api import ModuleApi

from synapse_modules.adapters.foreign_events import ForeignEvents
from synapse_modules.adapters.synapse_private.federated_rooms import (
    PrivateFederatedRooms,
    fits_its_hash,
    with_state,
)
from synapse_modules.adapters.synapse_private.wrapping import Call
from synapse_modules.rules import event_form

_PRESENT = frozenset({Membership.JOIN, Membership.INVITE})


class FederatedEventGate:
    """Stands in front of what Synapse does with events of other servers."""

    def __init__(self, api: ModuleApi, events: ForeignEvents, synapse: PrivateFederatedRooms) -> None:
        self._api = api
        self._events = events
        self._synapse = synapse
        self._of_history: set[str] = set()
        self._claimed: dict[str, Sequence[EventBase]] = {}

    async def check(self, call: Call) -> EventBase:
        """An event whose signature is read: hidden if it is refused, and with what is shown of it."""
        event: EventBase = await call.go_on()
        if self._api.is_mine(event.sender) or event.internal_metadata.spam_checker_spammy:
            return event
        if event is not call.arguments["pdu"] and await self._events.is_refused(event):
            # What does not fit its own hash Synapse makes bare, and asks nobody about what is left of it.
            event.internal_metadata.soft_failed = True
            event.internal_metadata.spam_checker_spammy = True
            return event
        content = await self._events.shown(event)
        return event if content is None else _saying(event, content)

    async def process(self, call: Call) -> None:
        """Notes which events are of a room's history while they are stored."""
        event_id = call.arguments["event"].event_id
        if call.arguments["backfilled"]:
            self._of_history.add(event_id)
        try:
            await call.go_on()
        finally:
            self._of_history.discard(event_id)

    async def authenticate(self, call: Call) -> None:
        """Rejects what is refused: Synapse hides it, but hidden state comes into force with the next event after it.

        What is rejected never does, and a deletion that is rejected deletes nothing.
        """
        await call.go_on()
        event, context = call.arguments["event"], call.arguments["context"]
        is_deletion = event.type == EventTypes.Redaction and not self._api.is_mine(event.sender)
        is_new = event.event_id not in self._of_history or await self._is_later_than_ours(event)
        if event.internal_metadata.spam_checker_spammy and (event.is_state() or is_deletion):
            if not context.rejected and is_new:
                # Before it is stored: Synapse does not look again at what is, whatever ended this process.
                await self._events.note_broken_room(event)
            context.rejected = RejectedReason.AUTH_ERROR
            return
        if context.rejected or self._api.is_mine(event.sender) or not self._events.is_judged_again(event):
            return
        if await self._events.counts_in_vain(event, await self._synapse.members_before(context)):
            if event.is_state() and is_new:
                await self._events.note_broken_room(event)
            context.rejected = RejectedReason.AUTH_ERROR

    async def take_state(self, call: Call) -> dict[tuple[str, str], str]:
        """The state of which another server says that it was there after an event that it does not show."""
        state: dict[tuple[str, str], str] = await call.go_on()
        known = await self._synapse.events(state.values())
        refused = [event for event in known.values() if event.internal_metadata.spam_checker_spammy]
        # Who stands there as present, and who does here; that somebody was thrown out does not say that she was in.
        members = set(await self._synapse.members(call.arguments["room_id"])) | {
            event.state_key
            for event in known.values()
            if event.type == EventTypes.Member and event.membership in _PRESENT and event not in refused
        }
        refused += [
            event
            for event in known.values()
            if event not in refused
            and not self._api.is_mine(event.sender)
            and self._events.is_judged_again(event)
            and await self._events.counts_in_vain(event, members)
        ]
        for event in refused:
            await self._events.note_broken_room(event)
        left_out = {event.event_id for event in refused}
        return {key: event_id for key, event_id in state.items() if event_id not in left_out}

    async def remember_state(self, call: Call) -> Any:
        """Remembers all that a room's server says, also what cannot be verified since its sender is not admitted."""
        response = await call.go_on()
        self._claimed[call.arguments["pdu"].event_id] = response.state
        return response

    async def enter(self, call: Call) -> Any:
        """Somebody of ours joins a room of another server, with its whole state, members included.

        Synapse would else join first and look who is there afterwards.

        Raises:
            SynapseError: if nobody of ours may be in such a room.
        """
        pdu: EventBase = call.arguments["pdu"]
        try:
            joined = await call.go_on(partial_state=False)
        finally:
            state = self._claimed.pop(pdu.event_id, ())
        version = call.arguments["room_version"].identifier
        taken = await self._events.take_room(
            pdu.room_id, version, pdu.state_key or "", [_as_taken(event) for event in state]
        )
        return with_state(joined, taken)

    async def _is_later_than_ours(self, event: EventBase) -> bool:
        """Whether an event of a room's history is none that was there before somebody of ours was in the room."""
        members = await self._synapse.members(event.room_id)
        ours = [event_id for user_id, event_id in members.items() if self._api.is_mine(user_id)]
        joined = await self._synapse.events(ours)
        return any(event.depth > one.depth for one in joined.values() if one.membership == Membership.JOIN)


def _saying(event: EventBase, content: Mapping[str, Any]) -> EventBase:
    """An event that says something else, under its id: its signature and its id are of its bare form."""
    told = {**prune_event(event).get_dict(), "content": dict(content)}
    return make_event_from_dict(told, event.room_version, event.internal_metadata.get_dict())


def _as_taken(event: EventBase) -> EventBase:
    """What is taken of an event: if it does not fit its own hash, or says more, what is left when it is made bare."""
    return event if fits_its_hash(event) and event_form.is_plain(event.get_dict()) else prune_event(event)
