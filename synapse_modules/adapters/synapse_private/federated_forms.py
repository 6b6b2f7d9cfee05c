"""The form of what other servers send of rooms: read before Synapse reads it, whatever it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from synapse.api.constants import EventTypes, Membership
from synapse.api.errors import SynapseError
from synapse.events import EventBase, make_event_from_dict
from synapse.events.utils import prune_event
from synapse.federation.federation_base import FederationBase
from synapse.federation.federation_client import InvalidResponseError
from synapse.federation.federation_server import FederationServer
from synapse.federation.transport.client import TransportLayerClient
from synapse.federation.transport.server.federation import (
    FederationGetMissingEventsServlet,
    FederationV1InviteServlet,
    FederationV2InviteServlet,
)
from synapse.server import HomeServer

from synapse_modules.adapters.synapse_private.features import Feature
from synapse_modules.adapters.synapse_private.wrapping import Call, put_in_front

FEATURES = (
    Feature(FederationBase, "_check_sigs_and_hash", ("room_version", "pdu")),
    Feature(FederationServer, "_on_send_membership_event", ("content",)),
    Feature(FederationServer, "on_incoming_transaction", ("transaction_data",)),
    Feature(FederationGetMissingEventsServlet, "on_POST", ("content",)),
    Feature(FederationV1InviteServlet, "on_PUT"),
    Feature(FederationV2InviteServlet, "on_PUT", ("content",)),
    Feature(TransportLayerClient, "make_membership_event", ("room_id", "user_id", "membership")),
)
_SHOWN_BEFORE_JOINING = "invite_room_state"


class FormRules(Protocol):
    """What is asked about the form of what another server sends."""

    def is_plain(self, event: Mapping[str, Any]) -> bool:
        """Whether an event says nothing beside what its room's version has keys for."""
        ...

    def without_notes(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """An event without what any server on the way may have written beside it."""
        ...

    def shown_before_joining(self, state: object, inviter: str) -> list[dict[str, Any]]:
        """What of the state that comes with an invitation is shown to the invited side."""
        ...

    def read_invitation(self, content: object) -> dict[str, Any]:
        """What is taken of a request that invites.

        Raises:
            SynapseError: if it cannot be read, or says more than an invitation.
        """
        ...

    def read_membership(self, content: object) -> dict[str, Any]:
        """What is taken of a request with a membership in a room of ours.

        Raises:
            SynapseError: if it cannot be read, or says more than a membership.
        """
        ...

    def check_question(self, content: Mapping[str, Any]) -> None:
        """Called before a question for missed events is answered.

        Raises:
            SynapseError: if it cannot be read.
        """
        ...

    def read_transaction(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """What is taken of a transaction: that of it which can be read.

        Raises:
            SynapseError: if nothing of it can.
        """
        ...

    def own_membership(self, answer: object, room_id: str, user_id: str, membership: str) -> dict[str, Any] | None:
        """The answer with a template for somebody's own membership event, none of it the other server's word."""
        ...

    def unreadable(self) -> SynapseError:
        """What a server is told whose request cannot be read."""
        ...


class PrivateFederatedForms:
    """What the public module API has no callback for."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs

    def read_by(self, rules: FormRules) -> None:
        """Puts rules in front of everything that other servers send of rooms, and behind what ours asks them."""

        async def check(call: Call) -> EventBase:
            pdu = _without_notes(rules, call.arguments["pdu"])
            event: EventBase = await call.go_on(pdu=pdu)
            is_ours = self._hs.is_mine_id(event.sender)
            if is_ours or event.internal_metadata.spam_checker_spammy or rules.is_plain(event.get_dict()):
                return event
            bare = prune_event(event)
            if event.type == EventTypes.Member and event.membership != Membership.INVITE:
                # Who is in a room must be known; what else it says is gone.
                is_taken = rules.is_plain(bare.get_dict())
            else:
                is_taken = False
            if not is_taken:
                bare.internal_metadata.soft_failed = True
                bare.internal_metadata.spam_checker_spammy = True
            return bare

        async def be_invited(call: Call) -> Any:
            return await call.go_on(content=rules.read_invitation(call.arguments["content"]))

        async def be_invited_without_version(_call: Call) -> Any:
            # Into a room of version 1 or 2, where nobody of ours may be.
            raise rules.unreadable()

        async def take_membership(call: Call) -> Any:
            return await call.go_on(content=rules.read_membership(call.arguments["content"]))

        async def tell_what_was_missed(call: Call) -> Any:
            rules.check_question(call.arguments["content"])
            return await call.go_on()

        async def receive(call: Call) -> Any:
            return await call.go_on(transaction_data=rules.read_transaction(call.arguments["transaction_data"]))

        async def make_membership(call: Call) -> Any:
            asked = call.arguments
            made = rules.own_membership(await call.go_on(), asked["room_id"], asked["user_id"], asked["membership"])
            if made is None:
                raise InvalidResponseError("not readable")
            return made

        # Of the classes, since Synapse's federation client and server, and every process, have them.
        put_in_front(FederationBase, "_check_sigs_and_hash", check)
        put_in_front(FederationV1InviteServlet, "on_PUT", be_invited_without_version)
        put_in_front(FederationV2InviteServlet, "on_PUT", be_invited)
        put_in_front(FederationGetMissingEventsServlet, "on_POST", tell_what_was_missed)
        server = self._hs.get_federation_server()
        put_in_front(server, "on_incoming_transaction", receive)
        put_in_front(server, "_on_send_membership_event", take_membership)
        put_in_front(self._hs.get_federation_transport_client(), "make_membership_event", make_membership)


def _without_notes(rules: FormRules, event: EventBase) -> EventBase:
    """An event without what its sender has not signed, but for what an invitation shows."""
    if "knock_room_state" in event.unsigned:
        del event.unsigned["knock_room_state"]
    if _SHOWN_BEFORE_JOINING in event.unsigned:
        shown = rules.shown_before_joining(event.unsigned[_SHOWN_BEFORE_JOINING], event.sender)
        event.unsigned[_SHOWN_BEFORE_JOINING] = shown
    said = event.get_dict()
    kept = rules.without_notes(said)
    if kept.keys() == said.keys():
        return event
    return make_event_from_dict(kept, event.room_version, event.internal_metadata.get_dict())
