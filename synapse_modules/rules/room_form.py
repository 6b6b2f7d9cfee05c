"""What room a client wishes for: reads its request and refuses what no room of ours may be."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from synapse_modules.rules.errors import ModuleError
from synapse_modules.rules.room_state import STATE, Handling

ROOM_TYPE = "de.gematik.tim.roomtype.default.v1"
"""gemSpec_TI-M_Basis, A_25814; ``default.v2`` must not be made yet (A_28596)."""
_MEGOLM = "m.megolm.v1.aes-sha2"
# How long a key of a room is used at most, as clients do it by themselves: a client may ask for less, not for more.
_ROTATION = {"rotation_period_ms": 7 * 24 * 3600 * 1000, "rotation_period_msgs": 100}
_PRIVATE_PRESETS = (None, "private_chat", "trusted_private_chat")
# Whose user id it is, Synapse asks later; here it must be one that every database takes.
_USER_ID = re.compile(r"@[!-~]{1,254}")
# The states of a client's that say something about the form; the values of these alone are read.
_STATE_READ = frozenset({"m.room.encryption", "m.room.history_visibility", "m.room.join_rules", "m.room.guest_access"})


class FormFault(StrEnum):
    """Why a room of this form is refused; each has a text in ``texts.yaml``."""

    NOT_READABLE = "form-not-readable"
    NOT_PRIVATE = "form-not-private"
    WRONG_VERSION = "form-wrong-version"
    WRONG_ENCRYPTION = "form-wrong-encryption"
    UNKNOWN_STATE = "form-unknown-state"
    SPECIAL_ROOM = "form-special-room"


class FormRefused(ModuleError):  # noqa: N818 - reads as what happened
    """A room of this form is refused."""

    def __init__(self, fault: FormFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class RoomWish:
    """What of a client's request matters."""

    invitees: tuple[str, ...]
    is_direct: bool
    version: str
    room_type: str | None
    encryption: Mapping[str, Any]
    history_visibility: str
    names: Mapping[str, str]
    """``room_alias_name``, ``name`` and ``topic`` as they were asked for."""
    emptied_states: tuple[str, ...]
    """The types of state that are taken without their words."""


def read_wish(config: Mapping[str, Any], versions: Sequence[str]) -> RoomWish:
    """Reads the body of ``/createRoom``, which may hold anything.

    Args:
        config: the body.
        versions: the room versions that may be made; the first is the default (A_26248, A_26203).

    Raises:
        FormRefused: if no room of ours may be like that.
    """
    invitees = _typed(config, "invite", list)
    if not all(isinstance(invitee, str) and _USER_ID.fullmatch(invitee) for invitee in invitees):
        raise FormRefused(FormFault.NOT_READABLE)
    version = config.get("room_version", versions[0])
    if version not in versions:
        raise FormRefused(FormFault.WRONG_VERSION)
    room_type = _read_room_type(config, _typed(config, "creation_content", dict))
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
        version=version,
        room_type=room_type,
        encryption=_read_encryption(states.get("m.room.encryption", {"algorithm": _MEGOLM})),
        history_visibility="joined" if visibility == "joined" else "invited",
        names={key: config[key] for key in ("room_alias_name", "name", "topic") if isinstance(config.get(key), str)},
        emptied_states=tuple(sorted(one for one in states if STATE[one] is Handling.EMPTIED)),
    )


def _read_room_type(config: Mapping[str, Any], creation: Mapping[str, Any]) -> str | None:
    """The type of the room, which clients put into ``creation_content``, and some beside it."""
    room_type, beside = creation.get("type"), config.get("type")
    is_ordinary = room_type in (None, ROOM_TYPE) and beside in (None, ROOM_TYPE)
    if not is_ordinary or {"predecessor", "additional_creators"} & creation.keys():
        raise FormRefused(FormFault.SPECIAL_ROOM)
    return ROOM_TYPE if ROOM_TYPE in (room_type, beside) else None


def _typed(config: Mapping[str, Any], key: str, wanted: type) -> Any:
    value = config.get(key, wanted())
    if not isinstance(value, wanted):
        raise FormRefused(FormFault.NOT_READABLE)
    return value


def _read_encryption(content: Mapping[str, Any]) -> dict[str, Any]:
    if content.get("algorithm") != _MEGOLM:
        raise FormRefused(FormFault.WRONG_ENCRYPTION)
    asked = {key: content.get(key) for key in _ROTATION}
    return {"algorithm": _MEGOLM} | {
        key: value for key, value in asked.items() if type(value) is int and 0 < value <= _ROTATION[key]
    }


def _read_states(states: list[Any]) -> dict[str, dict[str, Any]]:
    """Content by type of the states that are taken."""
    found: dict[str, dict[str, Any]] = {}
    for state in states:
        if not isinstance(state, dict) or not isinstance(state.get("content"), dict):
            raise FormRefused(FormFault.NOT_READABLE)
        event_type = state.get("type")
        if not isinstance(event_type, str) or state.get("state_key", "") != "":
            raise FormRefused(FormFault.UNKNOWN_STATE)
        handling = STATE.get(event_type)
        if event_type in _STATE_READ or handling is Handling.EMPTIED:
            found[event_type] = state["content"]
        elif handling is not Handling.LEFT_OUT:
            raise FormRefused(FormFault.UNKNOWN_STATE)
    return found
