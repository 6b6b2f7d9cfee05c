"""Hooks of rooms: how they come about, who is in them, and what is sent there."""

from __future__ import annotations

from synapse.handlers.message import EventCreationHandler
from synapse.handlers.room import RoomCreationHandler
from synapse.handlers.room_list import RoomListHandler
from synapse.handlers.room_member import RoomMemberHandler
from synapse.http import servlet

from synapse_modules.adapters.event_gate import EventGate
from synapse_modules.adapters.membership_gate import MembershipGate
from synapse_modules.adapters.request_body_gate import RequestBodyGate
from synapse_modules.adapters.room_gate import RoomGate
from synapse_modules.adapters.synapse_private.hooks import Callback, Method, Registration
from synapse_modules.hooks.row import Row
from synapse_modules.rules import reach, request_bodies
from synapse_modules.rules.clear_text import membership_without_words
from synapse_modules.rules.messages import check_deletion, check_message, check_readers
from synapse_modules.rules.room_form import read_wish
from synapse_modules.rules.room_request import room_request
from synapse_modules.rules.room_state import check_state
from synapse_modules.store.rooms_in_making import RoomsInMaking

ROOMS = (
    Row(
        Method(servlet, "parse_json_value_from_request", ("request", "allow_empty_body")),
        RequestBodyGate.read,
        (request_bodies.is_readable, request_bodies.is_text),
    ),
    Row(
        Method(EventCreationHandler, "is_admin_redaction", ("event_type", "redacts")),
        RequestBodyGate.check_redaction,
        (),
    ),
    Row(
        Callback(Registration.THIRD_PARTY_RULES, "on_create_room"),
        RoomGate.on_create_room,
        (reach.plan_room, read_wish, room_request),
    ),
    Row(Callback(Registration.SPAM_CHECKER, "user_may_create_room"), RoomGate.user_may_create_room, ()),
    Row(
        Callback(Registration.SPAM_CHECKER, "user_may_create_room_alias"),
        RoomGate.user_may_create_room_alias,
        (reach.may_name_rooms,),
    ),
    Row(Callback(Registration.SPAM_CHECKER, "user_may_publish_room"), RoomGate.user_may_publish_room, ()),
    Row(Method(RoomListHandler, "get_local_public_room_list"), RoomGate.refuse_list, ()),
    Row(Method(RoomListHandler, "get_remote_public_room_list"), RoomGate.refuse_list, ()),
    Row(
        Method(
            RoomMemberHandler,
            "update_membership_locked",
            (
                "requester",
                "target",
                "room_id",
                "action",
                "content",
                "third_party_signed",
                "new_room",
                "txn_id",
                "prev_event_ids",
                "depth",
            ),
        ),
        MembershipGate.change,
        (
            reach.check_invitation,
            reach.check_join,
            reach.check_removal,
            membership_without_words,
            RoomsInMaking.begin,
        ),
    ),
    Row(Method(RoomMemberHandler, "do_3pid_invite"), MembershipGate.refuse_address, ()),
    Row(Method(RoomCreationHandler, "upgrade_room"), MembershipGate.refuse_upgrade, ()),
    Row(
        Callback(Registration.SPAM_CHECKER, "federated_user_may_invite"),
        MembershipGate.federated_user_may_invite,
        (reach.check_invitation_from_elsewhere,),
    ),
    Row(
        Callback(Registration.SPAM_CHECKER, "check_event_for_spam"),
        EventGate.check_event_for_spam,
        (check_message, check_state, check_readers, check_deletion),
    ),
)
