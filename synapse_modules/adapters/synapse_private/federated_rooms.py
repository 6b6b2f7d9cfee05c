"""Synapse's knowledge of rooms that lie on several servers: their events as they are stored, and who is in them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

import attr
from synapse.api.constants import EventTypes
from synapse.api.errors import SynapseError
from synapse.crypto import event_signing
from synapse.events import EventBase
from synapse.events.snapshot import EventContext
from synapse.federation.federation_client import InvalidResponseError, SendJoinResult
from synapse.server import HomeServer
from synapse.storage.controllers.state import StateStorageController
from synapse.storage.databases.main.events_worker import EventsWorkerStore
from synapse.types.state import StateFilter

from synapse_modules.adapters.synapse_private.features import Feature

FEATURES = (
    Feature(event_signing, "check_event_content_hash", ("event",)),
    Feature(EventContext, "get_prev_state_ids", ("state_filter",)),
    Feature(EventsWorkerStore, "get_events", ("event_ids",)),
    Feature(StateStorageController, "get_current_state_ids", ("room_id", "state_filter")),
)
_ALL_MEMBERS = StateFilter.from_types([(EventTypes.Member, None)])
_Joined = TypeVar("_Joined", bound=SendJoinResult)


class PrivateFederatedRooms:
    """What the public module API cannot say of rooms and events of other servers."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs

    async def events(self, event_ids: Iterable[str]) -> Mapping[str, EventBase]:
        """Those of some events that are stored, by id."""
        return await self._hs.get_datastores().main.get_events(list(event_ids))

    async def members(self, room_id: str) -> Mapping[str, str]:
        """The ids of the newest member events of a room, by user id."""
        state = self._hs.get_storage_controllers().state
        found = await state.get_current_state_ids(room_id, _ALL_MEMBERS)
        return {user_id: event_id for (_, user_id), event_id in found.items()}

    async def members_before(self, context: EventContext) -> set[str]:
        """Who has a member event in the state before an event."""
        return {user_id for _, user_id in await context.get_prev_state_ids(_ALL_MEMBERS)}


def fits_its_hash(event: EventBase) -> bool:
    """Whether an event says what its hash is of."""
    try:
        return event_signing.check_event_content_hash(event)
    except SynapseError:
        # No hash at all.
        return False


def with_state(joined: _Joined, event_ids: Collection[str]) -> _Joined:
    """What joining a room of another server gave, with a part of its state alone."""
    return attr.evolve(joined, state=[event for event in joined.state if event.event_id in event_ids])


def not_readable_from_there() -> InvalidResponseError:
    """To Synapse, an answer that another server has not given."""
    return InvalidResponseError("not readable")
