"""What a room is made of: reads the client's wish, refuses what no room of ours may be, and writes the rest anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from messenger_core.account_kinds import RoomKind
from synapse_modules.rules.reach import CHAT_WITH_PRACTICE, House, RoomPlan

ROOM_VERSION = "10"
"""gemSpec_TI-M_Basis, A_26248."""
MARKER = "de.hek.room"
_MEGOLM = "m.megolm.v1.aes-sha2"
_ROTATION = ("rotation_period_ms", "rotation_period_msgs")
_PRIVATE_PRESETS = (None, "private_chat", "trusted_private_chat")
# Clients send these; names are dropped because a room's state is not encrypted.
_STATE_TAKEN = frozenset({"m.room.encryption", "m.room.history_visibility", "m.room.join_rules", "m.room.guest_access"})
_STATE_DROPPED = frozenset({"m.room.name", "m.room.topic", "m.room.avatar"})
_HIGHEST = 100
_NOBODY = 101


class FormFault(StrEnum):
    """Why a room of this form is refused; each has a text in ``texts.yaml``."""

    NOT_READABLE = "form-not-readable"
    NOT_PRIVATE = "form-not-private"
    WRONG_VERSION = "form-wrong-version"
    WRONG_ENCRYPTION = "form-wrong-encryption"
    UNKNOWN_STATE = "form-unknown-state"
    SPECIAL_ROOM = "form-special-room"


class FormRefused(Exception):  # noqa: N818 - reads as what happened
    """A room of this form is refused."""

    def __init__(self, fault: FormFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class RoomWish:
    """What of a client's request matters."""

    invitees: tuple[str, ...]
    is_direct: bool
    encryption: Mapping[str, Any]
    history_visibility: str
    names: Mapping[str, str]
    """``room_alias_name``, ``name`` and ``topic`` as they were asked for."""


def read_wish(config: Mapping[str, Any]) -> RoomWish:
    """Reads the body of ``/createRoom``, which may hold anything.

    Raises:
        FormRefused: if no room of ours may be like that.
    """
    invitees = _typed(config, "invite", list)
    if not all(isinstance(invitee, str) for invitee in invitees):
        raise FormRefused(FormFault.NOT_READABLE)
    if config.get("room_version", ROOM_VERSION) != ROOM_VERSION:
        raise FormRefused(FormFault.WRONG_VERSION)
    if {"type", "predecessor"} & set(_typed(config, "creation_content", dict)):
        raise FormRefused(FormFault.SPECIAL_ROOM)
    states = _read_states(_typed(config, "initial_state", list))
    visibility = states.get("m.room.history_visibility", {}).get("history_visibility", "invited")
    is_private = (
        config.get("visibility", "private") == "private"
        and config.get("preset") in _PRIVATE_PRESETS
        and not config.get("invite_3pid")
        and states.get("m.room.join_rules", {}).get("join_rule", "invite") == "invite"
        and visibility != "world_readable"
    )
    if not is_private:
        raise FormRefused(FormFault.NOT_PRIVATE)
    return RoomWish(
        invitees=tuple(dict.fromkeys(invitees)),
        is_direct=config.get("is_direct") is True,
        encryption=_read_encryption(states.get("m.room.encryption", {"algorithm": _MEGOLM})),
        history_visibility="joined" if visibility == "joined" else "invited",
        names={key: config[key] for key in ("room_alias_name", "name", "topic") if isinstance(config.get(key), str)},
    )


def _typed(config: Mapping[str, Any], key: str, wanted: type) -> Any:
    value = config.get(key, wanted())
    if not isinstance(value, wanted):
        raise FormRefused(FormFault.NOT_READABLE)
    return value


def _read_encryption(content: Mapping[str, Any]) -> dict[str, Any]:
    if content.get("algorithm") != _MEGOLM:
        raise FormRefused(FormFault.WRONG_ENCRYPTION)
    return {"algorithm": _MEGOLM, **{key: content[key] for key in _ROTATION if type(content.get(key)) is int}}


def _read_states(states: list[Any]) -> dict[str, dict[str, Any]]:
    """Content by type of the states that are taken."""
    found: dict[str, dict[str, Any]] = {}
    for state in states:
        if not isinstance(state, dict) or not isinstance(state.get("content"), dict):
            raise FormRefused(FormFault.NOT_READABLE)
        event_type = state.get("type")
        if not isinstance(event_type, str) or state.get("state_key", "") != "":
            raise FormRefused(FormFault.UNKNOWN_STATE)
        if event_type in _STATE_TAKEN:
            found[event_type] = state["content"]
        elif event_type not in _STATE_DROPPED:
            raise FormRefused(FormFault.UNKNOWN_STATE)
    return found


def room_request(wish: RoomWish, plan: RoomPlan, creator: str, house: House, *, may_name: bool) -> dict[str, Any]:
    """The request that Synapse carries out instead of the client's.

    Args:
        wish: what was read.
        plan: what the room will be.
        creator: who makes it.
        house: the insurer's accounts.
        may_name: whether alias, name and topic are kept.
    """

    def state(event_type: str, content: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": event_type, "state_key": "", "content": dict(content)}

    return {
        **(wish.names if may_name else {}),
        "visibility": "private",
        "preset": "private_chat",
        "room_version": ROOM_VERSION,
        "invite": list(wish.invitees),
        "is_direct": wish.is_direct,
        "creation_content": {MARKER: {"kind": plan.kind.value, "insured": plan.insured_user_id}},
        "initial_state": [
            state("m.room.history_visibility", {"history_visibility": wish.history_visibility}),
            state("m.room.guest_access", {"guest_access": "forbidden"}),
            state("m.room.encryption", wish.encryption),
        ],
        "power_level_content_override": power_levels(plan.kind, creator, house),
    }


def power_levels(kind: RoomKind, creator: str, house: House) -> dict[str, Any]:
    """Who may do what.

    Whoever makes a room needs the level 100 to send its first state; afterwards the module refuses state by anybody
    but service accounts (``reach.check_state``). What 101 stands at, nobody can do.
    """
    users = {creator: _HIGHEST}
    if kind is RoomKind.SUPPORT:
        users[house.support] = _HIGHEST
    if kind is RoomKind.SERVICE:
        users[house.service] = _HIGHEST
    remove = _HIGHEST if kind is RoomKind.TEAM else _NOBODY
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
        "invite": 0 if kind in CHAT_WITH_PRACTICE else _HIGHEST,
        "kick": remove,
        "ban": remove,
        # Own messages can always be deleted, other people's never.
        "redact": remove,
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
