"""The request that Synapse carries out instead of a client's: what a room of ours is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from messenger_core.account_kinds import RoomKind
from synapse_modules.rules.reach import CHAT_WITH_PRACTICE, House, RoomPlan
from synapse_modules.rules.room_form import RoomWish
from synapse_modules.rules.room_state import WITHOUT_WORDS

MARKER = "de.hek.room"
_HIGHEST = 100
_NOBODY = 101
# From this version on whoever makes a room stands above all levels and must not be named among them (MSC4289).
_CREATOR_ABOVE_ALL = frozenset({"12"})


def room_request(wish: RoomWish, plan: RoomPlan, creator: str, house: House, *, may_name: bool) -> dict[str, Any]:
    """The request that Synapse carries out.

    Args:
        wish: what was read.
        plan: what the room will be.
        creator: who makes it.
        house: the insurer's accounts.
        may_name: whether alias, name and topic are kept.
    """

    def state(event_type: str, content: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": event_type, "state_key": "", "content": dict(content)}

    creation: dict[str, Any] = {MARKER: {"kind": plan.kind.value, "insured": plan.insured_user_id}}
    if wish.room_type is not None:
        creation["type"] = wish.room_type
    if plan.kind not in CHAT_WITH_PRACTICE:
        # HEK's own rooms never leave this homeserver.
        creation["m.federate"] = False
    levels = power_levels(plan.kind, creator, house)
    if wish.version in _CREATOR_ABOVE_ALL:
        del levels["users"][creator]
    return {
        **(wish.names if may_name else {}),
        "visibility": "private",
        "preset": "private_chat",
        "room_version": wish.version,
        "invite": list(wish.invitees),
        "is_direct": wish.is_direct,
        "creation_content": creation,
        "initial_state": [
            state("m.room.history_visibility", {"history_visibility": wish.history_visibility}),
            state("m.room.guest_access", {"guest_access": "forbidden"}),
            state("m.room.encryption", wish.encryption),
            *(state(event_type, WITHOUT_WORDS[event_type]) for event_type in wish.emptied_states),
        ],
        "power_level_content_override": levels,
    }


def power_levels(kind: RoomKind, creator: str, house: House) -> dict[str, Any]:
    """Who may do what.

    Whoever makes a room needs the level 100 to send its first state; afterwards the module refuses state by anybody
    but service accounts (``room_state.check_state``). What 101 stands at, nobody can do. In a chat the maker can take
    an invitation back (``reach.check_removal``), and has no other power over the other side.
    """
    users = {creator: _HIGHEST}
    if kind is RoomKind.SUPPORT:
        users[house.support] = _HIGHEST
    if kind is RoomKind.SERVICE:
        users[house.service] = _HIGHEST
    is_chat, is_team = kind in CHAT_WITH_PRACTICE, kind is RoomKind.TEAM
    return {
        "users": users,
        "users_default": 0,
        "events": {
            "m.room.encryption": _HIGHEST,
            "m.room.history_visibility": _HIGHEST,
            "m.room.power_levels": _NOBODY,
            "m.room.server_acl": _NOBODY,
            "m.room.tombstone": _NOBODY,
        },
        "events_default": 0,
        "state_default": _HIGHEST,
        "invite": 0 if is_chat else _HIGHEST,
        "kick": _HIGHEST if is_chat or is_team else _NOBODY,
        "ban": _HIGHEST if is_team else _NOBODY,
        # Own messages can always be deleted, other people's never.
        "redact": _HIGHEST if is_team else _NOBODY,
        "notifications": {"room": _HIGHEST},
    }


def read_marker(content: Mapping[str, Any]) -> RoomPlan | None:
    """What the ``m.room.create`` event of a room says that the room is; None if the module did not make it."""
    marker = content.get(MARKER)
    if not isinstance(marker, Mapping):
        return None
    insured = marker.get("insured")
    try:
        return RoomPlan(RoomKind(marker.get("kind", "")), insured if isinstance(insured, str) else None)
    except ValueError:
        return None
