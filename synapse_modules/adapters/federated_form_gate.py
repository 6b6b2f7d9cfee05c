"""The form of what other servers send of rooms: read before Synapse reads it, whatever it is."""

from __future__ import annotations

from typing import Any

from synapse.api.constants import EventTypes, Membership
from synapse.api.errors import SynapseError
from synapse.events import EventBase, make_event_from_dict
from synapse.events.utils import prune_event
from synapse.module_api import ModuleApi

from messenger_core.people_names import ReservedNames
from synapse_modules.adapters.refusals import Refusals
from synapse_modules.adapters.synapse_private.federated_rooms import not_readable_from_there
from synapse_modules.adapters.synapse_private.wrapping import Call
from synapse_modules.rules import event_form
from synapse_modules.rules.room_form import FormFault

_SHOWN_BEFORE_JOINING = "invite_room_state"


class FederatedFormGate:
    """Stands in front of everything that other servers send of rooms, and behind what ours asks them.

    What is wrong is told without repeating any of it.
    """

    def __init__(self, api: ModuleApi, refusals: Refusals, reserved: ReservedNames) -> None:
        self._api = api
        self._reserved = reserved
        self._refusals = refusals

    async def read_event(self, call: Call) -> EventBase:
        """An event: without what others wrote beside it; bare and hidden if it says more than its version has keys for.

        Of a membership the bare form is taken: who is in a room must be known; what else it says is gone.
        """
        event: EventBase = await call.go_on(pdu=_without_notes(call.arguments["pdu"], self._reserved))
        is_ours = self._api.is_mine(event.sender)
        if is_ours or event.internal_metadata.spam_checker_spammy or event_form.is_plain(event.get_dict()):
            return event
        bare = prune_event(event)
        is_membership = event.type == EventTypes.Member and event.membership != Membership.INVITE
        if not is_membership or not event_form.is_plain(bare.get_dict()):
            bare.internal_metadata.soft_failed = True
            bare.internal_metadata.spam_checker_spammy = True
        return bare

    async def read_invitation(self, call: Call) -> Any:
        """A request that invites somebody of ours.

        Raises:
            SynapseError: if it cannot be read, or says more than an invitation.
        """
        invitation = event_form.invitation(call.arguments["content"], self._reserved)
        return await call.go_on(content=self._readable(invitation))

    async def refuse_invitation_without_version(self, _call: Call) -> Any:
        """One into a room of version 1 or 2, where nobody of ours may be.

        Raises:
            SynapseError: always.
        """
        raise self._not_readable()

    async def read_membership(self, call: Call) -> Any:
        """A request with a membership in a room of ours.

        Raises:
            SynapseError: if it cannot be read, or says more than a membership.
        """
        return await call.go_on(content=self._readable(event_form.membership(call.arguments["content"])))

    async def read_question(self, call: Call) -> Any:
        """A question for missed events.

        Raises:
            SynapseError: if it cannot be read.
        """
        if not event_form.asks_for_events(call.arguments["content"]):
            raise self._not_readable()
        return await call.go_on()

    async def read_transaction(self, call: Call) -> Any:
        """A transaction: that of it which can be read.

        Raises:
            SynapseError: if nothing of it can.
        """
        readable = self._readable(event_form.transaction(call.arguments["transaction_data"]))
        return await call.go_on(transaction_data=readable)

    async def read_template(self, call: Call) -> Any:
        """The answer with a template for somebody's own membership event, none of it the other server's word.

        Raises:
            InvalidResponseError: if it cannot be read.
        """
        asked = call.arguments
        template = event_form.own_membership(
            await call.go_on(), room_id=asked["room_id"], user_id=asked["user_id"], membership=asked["membership"]
        )
        if template is None:
            raise not_readable_from_there()
        return template

    def _not_readable(self) -> SynapseError:
        return self._refusals.error(FormFault.NOT_READABLE)

    def _readable(self, read: dict[str, Any] | None) -> dict[str, Any]:
        if read is None:
            raise self._not_readable()
        return read


def _without_notes(event: EventBase, reserved: ReservedNames) -> EventBase:
    """An event without what its sender has not signed, but for what an invitation shows."""
    if "knock_room_state" in event.unsigned:
        del event.unsigned["knock_room_state"]
    if _SHOWN_BEFORE_JOINING in event.unsigned:
        shown = event_form.shown_before_joining(event.unsigned[_SHOWN_BEFORE_JOINING], event.sender, reserved)
        event.unsigned[_SHOWN_BEFORE_JOINING] = shown
    said = event.get_dict()
    signed = event_form.without_notes(said)
    if signed.keys() == said.keys():
        return event
    return make_event_from_dict(signed, event.room_version, event.internal_metadata.get_dict())
