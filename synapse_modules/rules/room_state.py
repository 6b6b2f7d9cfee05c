"""What a room's state may say: it is never encrypted and never purged, so that nobody's words stand in it.

The table is explained in ``docs/what-stands-in-clear.md``, which a test holds to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from messenger_core.account_kinds import AccountKind
from synapse_modules.rules.reach import CHAT_WITH_PRACTICE, Refusal, Room


class Handling(StrEnum):
    """What becomes of a type of state."""

    FIXED = "fixed"
    """Written by the homeserver when a room is made; never changed, by nobody."""
    NEVER = "never"
    """In no room of ours, by nobody."""
    LEFT_OUT = "left out"
    """A client may ask for it when it makes a room and does not get it; refused afterwards."""
    EMPTIED = "emptied"
    """Taken when a room is made, without its words; afterwards only without words."""
    MEMBER = "member"
    """Written by the homeserver from the verified profile; reasons and keys of a client's own are left out."""


STATE: Mapping[str, Handling] = {
    "m.room.create": Handling.FIXED,
    "m.room.encryption": Handling.FIXED,
    "m.room.guest_access": Handling.FIXED,
    "m.room.history_visibility": Handling.FIXED,
    "m.room.join_rules": Handling.FIXED,
    "m.room.power_levels": Handling.FIXED,
    "m.room.member": Handling.MEMBER,
    "m.room.server_acl": Handling.NEVER,
    "m.room.third_party_invite": Handling.NEVER,
    "m.room.tombstone": Handling.NEVER,
    "m.space.child": Handling.NEVER,
    "m.space.parent": Handling.NEVER,
    "m.room.name": Handling.LEFT_OUT,
    "m.room.topic": Handling.LEFT_OUT,
    "m.room.avatar": Handling.LEFT_OUT,
    "de.gematik.tim.room.name": Handling.EMPTIED,
    "de.gematik.tim.room.topic": Handling.EMPTIED,
    "de.gematik.tim.room.default.v1": Handling.EMPTIED,
    "de.gematik.tim.room.casereference.v1": Handling.EMPTIED,
}
"""Everything else is left to HEK's service accounts in HEK's own rooms."""

WITHOUT_WORDS: Mapping[str, Mapping[str, str]] = {
    "de.gematik.tim.room.name": {"name": ""},
    "de.gematik.tim.room.topic": {"topic": ""},
    "de.gematik.tim.room.default.v1": {},
    "de.gematik.tim.room.casereference.v1": {},
}
"""The one content that gematik's own types (gemSpec_TI-M_Basis, A_26338 and chapter 5.5.2) may have here."""


def check_state(
    sender: AccountKind | None, room: Room | None, event_type: str, state_key: str, content: Mapping[str, Any]
) -> Refusal | None:
    """Whether a state event may be sent after a room was made; None if so. Members are judged by their own rules."""
    handling = STATE.get(event_type)
    if handling is Handling.MEMBER:
        return None
    if room is None or sender in {None, AccountKind.ADMIN}:
        return Refusal.NO_RIGHTS
    if handling in {Handling.FIXED, Handling.NEVER}:
        return Refusal.STATE_FIXED
    is_chat = room.kind in CHAT_WITH_PRACTICE
    if handling is Handling.EMPTIED and is_chat:
        is_wordless = state_key == "" and dict(content) == WITHOUT_WORDS[event_type]
        return None if is_wordless else Refusal.STATE_FIXED
    return None if sender is AccountKind.SERVICE and not is_chat else Refusal.STATE_FIXED
