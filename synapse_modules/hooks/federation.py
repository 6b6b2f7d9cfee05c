"""Hooks of other homeservers; installed where the settings have a federation, else nothing of another is admitted."""

from __future__ import annotations

from synapse.federation.federation_base import FederationBase
from synapse.federation.federation_client import FederationClient
from synapse.federation.federation_server import FederationHandlerRegistry, FederationServer
from synapse.federation.transport.client import TransportLayerClient
from synapse.federation.transport.server._base import Authenticator
from synapse.federation.transport.server.federation import (
    FederationClientKeysClaimServlet,
    FederationGetMissingEventsServlet,
    FederationUnstableClientKeysClaimServlet,
    FederationV1InviteServlet,
    FederationV2InviteServlet,
)
from synapse.handlers.federation import FederationHandler
from synapse.handlers.federation_event import FederationEventHandler

from synapse_modules.adapters.federated_answer_gate import FederatedAnswerGate
from synapse_modules.adapters.federated_event_gate import FederatedEventGate
from synapse_modules.adapters.federated_form_gate import FederatedFormGate
from synapse_modules.adapters.federated_member_gate import FederatedMemberGate
from synapse_modules.adapters.federated_request_gate import FederatedRequestGate
from synapse_modules.adapters.listed_servers import ListedServers
from synapse_modules.adapters.synapse_private.hooks import Callback, Method, Registration
from synapse_modules.hooks.row import Row
from synapse_modules.rules import between_devices, device_keys, event_form, profiles, reach, rooms_elsewhere
from synapse_modules.rules.federation_list import still_counts
from synapse_modules.store.common_rooms import CommonRooms

_REACH = (CommonRooms.sharing_with_server,)
_CLAIM = ("origin", "content")

FEDERATION = (
    Row(
        Method(Authenticator, "authenticate_request", ("request", "content")),
        ListedServers.authenticate,
        (still_counts,),
    ),
    # -- The form of what comes: asked before anything else
    Row(
        Method(FederationBase, "_check_sigs_and_hash", ("room_version", "pdu")),
        FederatedFormGate.read_event,
        (event_form.is_plain, event_form.without_notes, event_form.shown_before_joining),
    ),
    Row(
        Method(FederationServer, "on_incoming_transaction", ("transaction_data",)),
        FederatedFormGate.read_transaction,
        (event_form.transaction,),
    ),
    Row(
        Method(FederationServer, "_on_send_membership_event", ("content",)),
        FederatedFormGate.read_membership,
        (event_form.membership,),
    ),
    Row(
        Method(FederationGetMissingEventsServlet, "on_POST", ("content",)),
        FederatedFormGate.read_question,
        (event_form.asks_for_events,),
    ),
    Row(Method(FederationV1InviteServlet, "on_PUT"), FederatedFormGate.refuse_invitation_without_version, ()),
    Row(
        Method(FederationV2InviteServlet, "on_PUT", ("content",)),
        FederatedFormGate.read_invitation,
        (event_form.invitation,),
    ),
    Row(
        Method(TransportLayerClient, "make_membership_event", ("room_id", "user_id", "membership")),
        FederatedFormGate.read_template,
        (event_form.own_membership,),
    ),
    # -- Events
    Row(
        Method(FederationBase, "_check_sigs_and_hash", ("room_version", "pdu")),
        FederatedEventGate.check,
        (rooms_elsewhere.judge_event, rooms_elsewhere.shown_membership),
    ),
    Row(
        Method(FederationEventHandler, "_process_received_pdu", ("origin", "event", "context", "backfilled")),
        FederatedEventGate.process,
        (),
    ),
    Row(
        Method(FederationEventHandler, "_check_event_auth", ("origin", "event", "context")),
        FederatedEventGate.authenticate,
        (rooms_elsewhere.judge_event, rooms_elsewhere.has_broken_room),
    ),
    Row(
        Method(
            FederationEventHandler,
            "_get_state_ids_after_missing_prev_event",
            ("destination", "room_id", "event_id"),
        ),
        FederatedEventGate.take_state,
        (rooms_elsewhere.judge_event, rooms_elsewhere.has_broken_room),
    ),
    Row(
        Method(FederationClient, "_do_send_join", ("room_version", "destination", "pdu", "omit_members")),
        FederatedEventGate.remember_state,
        (),
    ),
    Row(
        Method(FederationClient, "send_join", ("destinations", "pdu", "room_version", "partial_state")),
        FederatedEventGate.enter,
        (rooms_elsewhere.is_chat, rooms_elsewhere.judge_event),
    ),
    # -- Memberships
    Row(
        Callback(Registration.SPAM_CHECKER, "federated_user_may_invite"),
        FederatedMemberGate.federated_user_may_invite,
        (reach.check_invitation_from_elsewhere, rooms_elsewhere.may_be_entered, rooms_elsewhere.is_plain_invitation),
    ),
    Row(
        Method(FederationServer, "on_make_join_request", ("origin", "room_id", "user_id")),
        FederatedMemberGate.tell_how_to_join,
        (reach.check_join,),
    ),
    Row(Method(FederationServer, "on_make_knock_request"), FederatedMemberGate.refuse_knock, ()),
    Row(Method(FederationServer, "exchange_third_party_invite"), FederatedMemberGate.refuse_knock, ()),
    Row(Method(FederationServer, "on_exchange_third_party_invite_request"), FederatedMemberGate.refuse_knock, ()),
    Row(Method(FederationHandler, "send_invite", ("target_host", "event")), FederatedMemberGate.invite, ()),
    Row(Method(FederationHandler, "do_invite_join", ("room_id", "joinee")), FederatedMemberGate.join, ()),
    # -- What other servers ask of people and send to their devices
    Row(
        Method(FederationServer, "on_query_client_keys", ("origin", "content")),
        FederatedRequestGate.query_keys,
        _REACH,
    ),
    Row(
        Method(FederationServer, "on_query_user_devices", ("origin", "user_id")),
        FederatedRequestGate.query_devices,
        _REACH,
    ),
    Row(Method(FederationHandlerRegistry, "on_query", ("query_type", "args")), FederatedRequestGate.query, _REACH),
    Row(
        Method(FederationHandlerRegistry, "on_edu", ("edu_type", "origin", "content")),
        FederatedRequestGate.receive,
        (
            between_devices.for_others,
            device_keys.of_changed_device,
            device_keys.of_vouching,
            CommonRooms.sharing,
            CommonRooms.is_joined,
        ),
    ),
    Row(Method(FederationClientKeysClaimServlet, "on_POST", _CLAIM), FederatedRequestGate.claim_keys, _REACH),
    Row(Method(FederationUnstableClientKeysClaimServlet, "on_POST", _CLAIM), FederatedRequestGate.claim_keys, _REACH),
    # -- What they answer
    Row(
        Method(FederationClient, "make_query", ("query_type", "args")),
        FederatedAnswerGate.query_profile,
        (profiles.of_other,),
    ),
    Row(
        Method(FederationClient, "query_client_keys", ("destination", "content", "timeout")),
        FederatedAnswerGate.query_keys,
        (device_keys.of_query,),
    ),
    Row(
        Method(FederationClient, "query_user_devices", ("destination", "user_id", "timeout")),
        FederatedAnswerGate.query_devices,
        (device_keys.of_device_list,),
    ),
    Row(
        Method(FederationClient, "claim_client_keys", ("user", "destination", "query", "timeout")),
        FederatedAnswerGate.claim_keys,
        (device_keys.of_claim,),
    ),
)
