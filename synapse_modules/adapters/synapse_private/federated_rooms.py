"""Synapse's rooms that lie on several servers: what is asked before anything of another server counts in them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Protocol

import attr
from synapse.api.constants import EventTypes, Membership, RejectedReason
from synapse.api.errors import ProxiedRequestError, SynapseError
from synapse.api.room_versions import RoomVersion
from synapse.crypto import event_signing
from synapse.events import EventBase, make_event_from_dict
from synapse.events.utils import prune_event
from synapse.federation.federation_base import FederationBase
from synapse.federation.federation_client import FederationClient, SendJoinResult
from synapse.federation.federation_server import FederationServer
from synapse.handlers.federation import FederationHandler
from synapse.handlers.federation_event import FederationEventHandler
from synapse.server import HomeServer
from synapse.types.state import StateFilter
from synapse.util.retryutils import NotRetryingDestination

from synapse_modules.adapters.synapse_private.features import Feature
from synapse_modules.adapters.synapse_private.wrapping import Call, put_in_front

_ALL_MEMBERS = StateFilter.from_types([(EventTypes.Member, None)])
_PRESENT = frozenset({Membership.JOIN, Membership.INVITE})

FEATURES = (
    Feature(event_signing, "check_event_content_hash", ("event",)),
    Feature(FederationBase, "_check_sigs_and_hash", ("room_version", "pdu")),
    Feature(FederationClient, "send_join", ("destinations", "pdu", "room_version", "partial_state")),
    Feature(FederationClient, "_do_send_join", ("room_version", "destination", "pdu", "omit_members")),
    Feature(FederationServer, "on_make_join_request", ("origin", "room_id", "user_id")),
    Feature(FederationServer, "on_make_knock_request", ("origin", "room_id", "user_id")),
    Feature(FederationServer, "exchange_third_party_invite", ("sender_user_id", "target_user_id", "room_id")),
    Feature(FederationServer, "on_exchange_third_party_invite_request", ("event_dict",)),
    Feature(FederationHandler, "send_invite", ("target_host", "event")),
    Feature(FederationHandler, "do_invite_join", ("target_hosts", "room_id", "joinee")),
    Feature(FederationEventHandler, "_check_event_auth", ("origin", "event", "context")),
    Feature(FederationEventHandler, "_process_received_pdu", ("origin", "event", "context", "backfilled")),
    Feature(FederationEventHandler, "_get_state_ids_after_missing_prev_event", ("destination", "room_id", "event_id")),
)


class RoomRules(Protocol):
    """What is asked about rooms that lie on several servers."""

    async def is_refused(self, event: EventBase) -> bool:
        """Whether an event of another server is refused; what ``check_event_for_spam`` answers of it."""
        ...

    def is_judged_again(self, event: EventBase) -> bool:
        """Whether more is known of an event of another server once what came before it is stored."""
        ...

    async def counts_in_vain(self, event: EventBase, members: Collection[str]) -> bool:
        """Whether such an event is refused then.

        Args:
            event: the event.
            members: who is or was in its room or invited, by the state before it.
        """
        ...

    async def shown(self, event: EventBase) -> Mapping[str, Any] | None:
        """What is shown, and kept, of an event of another server that counts; None if all that it says."""
        ...

    async def was_refused(self, event: EventBase) -> None:
        """Called before a new event of another server that would count by Matrix's own rules is stored as refused."""
        ...

    async def enter(self, room_id: str, version: str, user_id: str, state: Sequence[EventBase]) -> set[str]:
        """Which state of a room of another server is taken, by event id, before somebody of ours is in it.

        Args:
            room_id: the room.
            version: of the room.
            user_id: who wants to be in it.
            state: all that its server says, also what cannot be verified here since its sender is not admitted.

        Raises:
            SynapseError: if nobody of ours may be in such a room.
        """
        ...

    async def check_join(self, room_id: str, user_id: str) -> None:
        """Called before somebody of another server is told how to join a room.

        Raises:
            SynapseError: if she may not.
        """
        ...

    def refused_knock(self) -> SynapseError:
        """What a server is told whose user knocks, or invites an address."""
        ...

    def not_invited(self, answered: int | None) -> SynapseError:
        """What somebody is told whose invitation another server did not take.

        Args:
            answered: the status that the server answered with; None if it did not answer.
        """
        ...

    def not_joined(self, answered: int | None) -> SynapseError:
        """What somebody is told whom another server did not let into its room; ``answered`` as above."""
        ...


class PrivateFederatedRooms:
    """What the public module API cannot do with events of other servers."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs

    def ask_first(self, rules: RoomRules, is_plain: Callable[[Mapping[str, Any]], bool]) -> None:
        """Puts rules in front of what comes from other servers, and of joining there.

        Args:
            rules: the rules.
            is_plain: whether an event says nothing beside what its room's version has keys for.
        """
        self._judge_events(rules)
        self._judge_entering(rules, is_plain)

    def _judge_events(self, rules: RoomRules) -> None:
        async def check(call: Call) -> EventBase:
            event: EventBase = await call.go_on()
            if self._hs.is_mine_id(event.sender) or event.internal_metadata.spam_checker_spammy:
                return event
            if event is not call.arguments["pdu"] and await rules.is_refused(event):
                # What does not fit its own hash Synapse makes bare, and asks nobody about what is left of it.
                event.internal_metadata.soft_failed = True
                event.internal_metadata.spam_checker_spammy = True
                return event
            content = await rules.shown(event)
            return event if content is None else _saying(event, content)

        of_history: set[str] = set()

        async def process(call: Call) -> None:
            event_id = call.arguments["event"].event_id
            if call.arguments["backfilled"]:
                of_history.add(event_id)
            try:
                await call.go_on()
            finally:
                of_history.discard(event_id)

        async def authenticate(call: Call) -> None:
            await call.go_on()
            event, context = call.arguments["event"], call.arguments["context"]
            is_deletion = event.type == EventTypes.Redaction and not self._hs.is_mine_id(event.sender)
            is_new = event.event_id not in of_history or await self._is_later_than_ours(event)
            # Synapse hides what is refused, but state that is hidden comes into force with the next event after it.
            # What is rejected never does, and a deletion that is rejected deletes nothing.
            if event.internal_metadata.spam_checker_spammy and (event.is_state() or is_deletion):
                if not context.rejected and is_new:
                    # Before it is stored: Synapse does not look again at what is, whatever ended this process.
                    await rules.was_refused(event)
                context.rejected = RejectedReason.AUTH_ERROR
                return
            if context.rejected or self._hs.is_mine_id(event.sender) or not rules.is_judged_again(event):
                return
            before = await context.get_prev_state_ids(_ALL_MEMBERS)
            if await rules.counts_in_vain(event, {user_id for _, user_id in before}):
                if event.is_state() and is_new:
                    await rules.was_refused(event)
                context.rejected = RejectedReason.AUTH_ERROR

        async def take_state(call: Call) -> dict[tuple[str, str], str]:
            """The state of which another server says that it was there after an event that it does not show."""
            state: dict[tuple[str, str], str] = await call.go_on()
            known = await self._hs.get_datastores().main.get_events(state.values())
            refused = [event for event in known.values() if event.internal_metadata.spam_checker_spammy]
            # Who stands there as present, and who does here; that somebody was thrown out does not say that she was in.
            here = await self._members_here(call.arguments["room_id"])
            members = {user_id for _, user_id in here} | {
                event.state_key
                for event in known.values()
                if event.type == EventTypes.Member and event.membership in _PRESENT and event not in refused
            }
            refused += [
                event
                for event in known.values()
                if event not in refused
                and not self._hs.is_mine_id(event.sender)
                and rules.is_judged_again(event)
                and await rules.counts_in_vain(event, members)
            ]
            for event in refused:
                await rules.was_refused(event)
            left_out = {event.event_id for event in refused}
            return {key: event_id for key, event_id in state.items() if event_id not in left_out}

        # Of the class, since Synapse's federation client and server both have it.
        put_in_front(FederationBase, "_check_sigs_and_hash", check)
        events = self._hs.get_federation_event_handler()
        put_in_front(events, "_check_event_auth", authenticate)
        put_in_front(events, "_process_received_pdu", process)
        put_in_front(events, "_get_state_ids_after_missing_prev_event", take_state)

    async def _members_here(self, room_id: str) -> Mapping[tuple[str, str], str]:
        state = self._hs.get_storage_controllers().state
        return await state.get_current_state_ids(room_id, _ALL_MEMBERS)

    async def _is_later_than_ours(self, event: EventBase) -> bool:
        """Whether an event of a room's history is none that was there before somebody of ours was in the room."""
        ours = [
            event_id
            for (_, user_id), event_id in (await self._members_here(event.room_id)).items()
            if self._hs.is_mine_id(user_id)
        ]
        joined = await self._hs.get_datastores().main.get_events(ours)
        return any(event.depth > one.depth for one in joined.values() if one.membership == Membership.JOIN)

    def _judge_entering(self, rules: RoomRules, is_plain: Callable[[Mapping[str, Any]], bool]) -> None:
        claimed: dict[str, Sequence[EventBase]] = {}

        async def remember(call: Call) -> Any:
            response = await call.go_on()
            claimed[call.arguments["pdu"].event_id] = response.state
            return response

        async def enter(call: Call) -> SendJoinResult:
            version: RoomVersion = call.arguments["room_version"]
            pdu: EventBase = call.arguments["pdu"]
            try:
                # The whole state, members included: Synapse would else join first and look who is there afterwards.
                result: SendJoinResult = await call.go_on(partial_state=False)
            finally:
                state = claimed.pop(pdu.event_id, ())
            as_taken = [_as_taken(event, is_plain) for event in state]
            taken = await rules.enter(pdu.room_id, version.identifier, pdu.state_key or "", as_taken)
            return attr.evolve(result, state=[event for event in result.state if event.event_id in taken])

        async def tell_how_to_join(call: Call) -> Any:
            await rules.check_join(call.arguments["room_id"], call.arguments["user_id"])
            return await call.go_on()

        async def refuse(_call: Call) -> Any:
            raise rules.refused_knock()

        async def invite(call: Call) -> Any:
            try:
                return await call.go_on()
            except SynapseError as fault:
                # Synapse would show what the other server wrote.
                raise rules.not_invited(fault.code) from None
            except NotRetryingDestination:
                raise rules.not_invited(None) from None

        async def join(call: Call) -> Any:
            try:
                return await call.go_on()
            except ProxiedRequestError as fault:
                raise rules.not_joined(fault.code) from None
            except SynapseError as fault:
                if fault.code < HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise
                raise rules.not_joined(None) from None

        put_in_front(self._hs.get_federation_handler(), "send_invite", invite)
        put_in_front(self._hs.get_federation_handler(), "do_invite_join", join)
        put_in_front(self._hs.get_federation_client(), "_do_send_join", remember)
        put_in_front(self._hs.get_federation_client(), "send_join", enter)
        server = self._hs.get_federation_server()
        put_in_front(server, "on_make_join_request", tell_how_to_join)
        put_in_front(server, "on_make_knock_request", refuse)
        put_in_front(server, "exchange_third_party_invite", refuse)
        put_in_front(server, "on_exchange_third_party_invite_request", refuse)


def _saying(event: EventBase, content: Mapping[str, Any]) -> EventBase:
    """An event that says something else, under its id: its signature and its id are of its bare form."""
    told = {**prune_event(event).get_dict(), "content": dict(content)}
    return make_event_from_dict(told, event.room_version, event.internal_metadata.get_dict())


def _as_taken(event: EventBase, is_plain: Callable[[Mapping[str, Any]], bool]) -> EventBase:
    """What is taken of an event: if it does not fit its own hash, or says more, what is left when it is made bare."""
    try:
        fits = event_signing.check_event_content_hash(event)
    except SynapseError:
        # No hash at all.
        fits = False
    return event if fits and is_plain(event.get_dict()) else prune_event(event)
