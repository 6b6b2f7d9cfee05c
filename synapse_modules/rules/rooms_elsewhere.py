"""Rooms with practices of other servers: which room a person may enter there, and what from there counts in a chat.

Our own rooms are judged by the same rules, since what a remote server sends into them is as little under our control.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from messenger_core.account_kinds import AccountKind, RoomKind
from messenger_core.people_names import ReservedNames
from synapse_modules.rules.messages import DELETION, SentEvent, check_deletion, check_message
from synapse_modules.rules.power_levels import are_numbers_alone, names_members_alone, suffice_for_all
from synapse_modules.rules.profiles import is_shown_name
from synapse_modules.rules.reach import CHAT_WITH_PRACTICE, Room
from synapse_modules.rules.room_state import WITHOUT_WORDS

MEMBER, POWER_LEVELS = "m.room.member", "m.room.power_levels"
_CREATE, _ENCRYPTION = "m.room.create", "m.room.encryption"
_MEGOLM = "m.megolm.v1.aes-sha2"
# gemSpec_TI-M_Basis, A_26202 and A_26203: 9, 10 and 11 must be supported; 12 is what Synapse makes by default.
_VERSIONS = frozenset({"9", "10", "11", "12"})
# A_25814-01, A_28595: clients must be able to read both.
_ROOM_TYPES = frozenset({"de.gematik.tim.roomtype.default.v1", "de.gematik.tim.roomtype.default.v2"})
# What Matrix recommends (m.room.encryption); a room key that is used for longer is a weaker one.
_LONGEST_ROTATION = {"rotation_period_ms": 604_800_000, "rotation_period_msgs": 100}
_EMPTIED_BY_DELETION = frozenset({"m.room.encrypted", "m.reaction"})
_PRESENT, _ENDED = frozenset({"join", "invite"}), frozenset({"leave", "ban"})
_SIDE_DOORS = frozenset({"third_party_invite", "join_authorised_via_users_server"})


def _text(content: Mapping[str, Any], key: str) -> str:
    """A text of an event's content; anything else there is no text."""
    value = content.get(key)
    return value if isinstance(value, str) else ""


class Verdict(StrEnum):
    """What becomes of an event from another server."""

    TAKEN = "taken"
    REFUSED = "refused"
    """Nobody of ours sees it, and it is no part of the room's state here."""
    BREAKS_ROOM = "breaks-room"
    """Refused, and our people leave: on its own server the room is no longer what they entered."""


@dataclass(frozen=True, slots=True)
class ForeignEvent:
    """An event from another server.

    Attributes:
        type: of Matrix.
        state_key: None if it is no state.
        sender: who sent it.
        content: whatever it says.
        sender_kind: what the sender is; None if her server is not on the federation list.
        target_kind: what the user in ``state_key`` is, of membership events.
        target_is_ours: whether that user is of our server.
        is_admitted: whether that user, if of our server, lets the sender invite her.
        sender_is_asked: whether one of ours once invited the sender into the room; of insured people.
        deletes: the event that a deletion is about; None if there is none.
        members: who is or was in the room or invited, by the state before the event; None while that is not known. Then
            the event is judged again as soon as it is.
    """

    type: str
    state_key: str | None
    sender: str
    content: Mapping[str, Any]
    sender_kind: AccountKind | None
    target_kind: AccountKind | None = None
    target_is_ours: bool = False
    is_admitted: bool = True
    sender_is_asked: bool = False
    deletes: SentEvent | None = None
    members: frozenset[str] | None = None


def judge_event(event: ForeignEvent, room: Room | None, *, now: int) -> Verdict:
    """What becomes of an event that another server sent, or relayed.

    Args:
        event: the event.
        room: its room; None if it is not one of ours and nobody of ours was invited there.
        now: milliseconds since 1970.
    """
    if room is None or room.kind not in CHAT_WITH_PRACTICE:
        return Verdict.REFUSED
    if event.type == MEMBER and event.state_key is not None:
        return _judge_member(event, room)
    if event.state_key is not None:
        return _judge_state(event, room) if event.sender_kind is AccountKind.PRACTICE else Verdict.REFUSED
    if event.sender_kind is not AccountKind.PRACTICE and not _is_insured_member(event, room):
        return Verdict.REFUSED
    if event.type in _EMPTIED_BY_DELETION and not event.content:
        # What was deleted on its server comes without what it said.
        return Verdict.TAKEN
    # Whoever is of another server may write as soon as she is in the room: she is the one that is asked.
    refusal = check_message(event.sender_kind, replace(room, kind=RoomKind.CARE), event.type, event.content)
    if refusal is None and event.type == DELETION:
        refusal = check_deletion(event.sender, event.deletes, now=now, max_age=None)
    return Verdict.TAKEN if refusal is None else Verdict.REFUSED


def _is_insured_member(event: ForeignEvent, room: Room) -> bool:
    """Whether the sender is an insured person who was asked: the verdict on the invitation counts for the rest."""
    return event.sender_kind is AccountKind.INSURED and (event.sender == room.insured_user_id or event.sender_is_asked)


def _judge_member(event: ForeignEvent, room: Room) -> Verdict:
    membership = _text(event.content, "membership")
    if membership in _ENDED:
        # Of nobody else: an address may be anybody's, or any words.
        is_of_member = event.members is None or event.state_key in {*event.members, room.insured_user_id}
        return Verdict.TAKEN if is_of_member else Verdict.REFUSED
    if membership not in _PRESENT or event.content.keys() & _SIDE_DOORS:
        return Verdict.REFUSED
    is_own = event.sender == event.state_key
    if event.target_kind is AccountKind.INSURED:
        is_asked = membership == "join" and is_own and _is_insured_member(event, room)
        if event.state_key != room.insured_user_id and not is_asked:
            return Verdict.BREAKS_ROOM
    elif event.target_kind is not AccountKind.PRACTICE:
        # HEK's own accounts are never in a chat, nor is somebody whom we do not know, or of a server without part.
        return Verdict.REFUSED if event.target_is_ours else Verdict.BREAKS_ROOM
    if (
        membership == "invite"
        and event.target_is_ours
        and not (event.is_admitted and is_plain_invitation(event.content))
    ):
        return Verdict.REFUSED
    # Practices bring somebody in, on another server too; insured people do not.
    return Verdict.TAKEN if is_own or event.sender_kind is not AccountKind.INSURED else Verdict.REFUSED


def _judge_state(event: ForeignEvent, room: Room) -> Verdict:
    if event.state_key != "":
        return Verdict.REFUSED
    if event.type in _MUST_HOLD:
        holds = _MUST_HOLD[event.type](event.content)
        if holds and event.type == POWER_LEVELS and event.members is not None:
            holds = names_members_alone(event.content, event.members | {room.insured_user_id or ""})
        return Verdict.TAKEN if holds else Verdict.BREAKS_ROOM
    is_wordless = event.type == _CREATE or dict(event.content) == _WORDLESS.get(event.type)
    return Verdict.TAKEN if is_wordless else Verdict.REFUSED


def needs_members(event_type: str, content: Mapping[str, Any]) -> bool:
    """Whether the verdict on a state event depends on who is or was in the room."""
    return event_type == POWER_LEVELS or (event_type == MEMBER and _text(content, "membership") in _ENDED)


def has_broken_room(event: ForeignEvent, room: Room | None, *, now: int) -> bool:
    """Whether an event that was refused is why our people leave.

    Synapse keeps the bare form of it alone. If that is as it must be, what was refused stood beside it; on its own
    server it is the room's state, so that nothing that builds on it would count here.

    Args:
        event: the event in its bare form.
        room: its room.
        now: milliseconds since 1970.
    """
    verdict = judge_event(event, room, now=now)
    return verdict is Verdict.BREAKS_ROOM or (verdict is Verdict.TAKEN and event.type in _MUST_HOLD)


def _is_encryption(content: Mapping[str, Any]) -> bool:
    return (
        content.get("algorithm") == _MEGOLM
        and content.keys() <= {"algorithm", *_LONGEST_ROTATION}
        and all(
            type(content.get(key, 1)) is int and 0 < content.get(key, 1) <= longest
            for key, longest in _LONGEST_ROTATION.items()
        )
    )


# What keeps a room a chat; a practice that changes it has made another room of it.
_MUST_HOLD: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "m.room.encryption": _is_encryption,
    "m.room.join_rules": lambda content: content == {"join_rule": "invite"},
    "m.room.history_visibility": lambda content: (
        content.keys() == {"history_visibility"} and _text(content, "history_visibility") in {"invited", "joined"}
    ),
    # What is refused here holds there all the same, and a level for a word cannot be emptied: a redaction keeps it.
    POWER_LEVELS: lambda content: are_numbers_alone(content) and suffice_for_all(content),
    "m.room.tombstone": lambda _content: False,
}
# The one content that a piece of state may have which need not be there.
_WORDLESS: Mapping[str, Mapping[str, str]] = {**WITHOUT_WORDS, "m.room.guest_access": {"guest_access": "forbidden"}}


def is_plain_invitation(content: Mapping[str, Any]) -> bool:
    """Whether an invitation says nothing else: whoever is invited would read it before she has accepted anything."""
    is_plain = content.keys() <= {"membership", "is_direct"} and isinstance(content.get("is_direct", False), bool)
    return is_plain and content.get("membership") == "invite"


def shown_membership(content: Mapping[str, Any], known_name: str | None, reserved: ReservedNames) -> dict[str, Any]:
    """What is shown of a membership event of another server, and kept: a membership and, of a member, a name.

    It counts, since who is in a room must be known; what else it says is left out, such as a reason or a picture.

    Args:
        content: whatever it says.
        known_name: what a member is called in the room so far, and goes on to be called; None if she is not in it.
        reserved: the house's names, which nobody elsewhere bears.
    """
    membership = _text(content, "membership")
    name = known_name if known_name is not None else _text(content, "displayname")
    if membership != "join" or not is_shown_name(name, reserved):
        return {"membership": membership}
    return {"membership": membership, "displayname": name}


@dataclass(frozen=True, slots=True)
class ForeignState:
    """A state event of a room on another server, with what its member is."""

    type: str
    state_key: str
    content: Mapping[str, Any]
    sender: str
    member_kind: AccountKind | None = None


def may_be_entered(version: str, stripped: Iterable[ForeignState]) -> bool:
    """Whether a person may be invited into a room of another server, by what its server shows of it beforehand."""
    events = list(stripped)
    by_key = {(event.type, event.state_key): event.content for event in events}
    maker = next((event.sender for event in events if event.type == _CREATE), None)
    create, rules = by_key.get((_CREATE, "")), by_key.get(("m.room.join_rules", ""))
    return (
        version in _VERSIONS
        and create is not None
        and (_text(create, "type") in _ROOM_TYPES if create.get("type") is not None else True)
        # No room that takes another's place or has more masters than the one who made it, and no words for the invited.
        and create.keys() <= {"creator", "m.federate", "room_version", "type"}
        and isinstance(create.get("m.federate", True), bool)
        and create.get("creator", maker) == maker
        and (_text(create, "room_version") in _VERSIONS or "room_version" not in create)
        and (rules is None or rules == {"join_rule": "invite"})
        and _is_encryption(by_key.get((_ENCRYPTION, ""), {}))
    )


def is_chat(version: str, state: Iterable[ForeignState], person: str) -> bool:
    """Whether a room of another server, with its whole state, is a chat of one insured person with a practice.

    Nobody else was ever in it or invited: whoever left or was thrown out still stands in its state, and is seen there.

    Args:
        version: of the room.
        state: all of it, with what each member is, or was.
        person: who joins.
    """
    events = list(state)
    by_key = {(event.type, event.state_key): event.content for event in events}
    history = _text(by_key.get(("m.room.history_visibility", ""), {}), "history_visibility")
    rules = by_key.get(("m.room.join_rules", ""), {}).get("join_rule")
    others = [event for event in events if event.type == MEMBER and event.state_key != person]
    return (
        may_be_entered(version, events)
        and rules == "invite"
        and history in {"invited", "joined"}
        and any(_text(event.content, "membership") == "join" for event in others)
        and all(event.member_kind is AccountKind.PRACTICE for event in others)
    )
