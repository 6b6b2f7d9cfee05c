"""The form of what other servers send of rooms: Matrix's own keys and no others, which clients would be shown too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from messenger_core.people_names import ReservedNames
from synapse_modules.rules.federation_list import server_of_user
from synapse_modules.rules.identifiers import is_event_id
from synapse_modules.rules.profiles import is_shown_name

# Of rooms of version 3 to 12. ``prev_state`` and ``origin`` were dropped from Matrix and are still sent.
_KEYS = frozenset(
    {
        "auth_events",
        "content",
        "depth",
        "hashes",
        "origin",
        "origin_server_ts",
        "prev_events",
        "prev_state",
        "redacts",
        "room_id",
        "sender",
        "signatures",
        "state_key",
        "type",
        "unsigned",
    }
)
UNHASHED = frozenset({"age", "age_ts", "destinations", "outlier"})
"""What any server on the way may write beside an event (synapse/crypto/event_signing.py, compute_content_hash)."""
_DELETION = "m.room.redaction"
_MEMBER = "m.room.member"
# What the invited side is shown before it accepts: what the room is, and who asks.
_SHOWN = frozenset({"m.room.create", "m.room.encryption", "m.room.join_rules"})
_STRIPPED = ("type", "state_key", "sender", "content")
_MOST_EVENTS = 20
"""How many events one may follow, and how many may prove that it is allowed (Matrix 1.15, PDUs: 20 and 10)."""
_DEEPEST = 2**53 - 1


def is_plain(event: Mapping[str, Any]) -> bool:
    """Whether an event says nothing beside what its room's version has keys for; its content is judged elsewhere."""
    deleted = event.get("redacts")
    return (
        event.keys() <= _KEYS
        and event.get("prev_state", []) == []
        and event.get("origin", _server_of(event.get("sender"))) == _server_of(event.get("sender"))
        and (deleted is None or (event.get("type") == _DELETION and is_event_id(deleted)))
    )


def without_notes(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event without what any server on the way may have written beside it."""
    return {key: value for key, value in event.items() if key not in UNHASHED}


def is_event(event: object) -> bool:
    """Whether something has the keys of an event, each of its kind; whatever it says."""
    return (
        isinstance(event, Mapping)
        and all(isinstance(event.get(key), str) for key in ("type", "sender"))
        and all(isinstance(event.get(key, ""), str) for key in ("room_id", "state_key"))
        and all(isinstance(event.get(key), Mapping) for key in ("content", "hashes", "signatures"))
        and all(isinstance(one, Mapping) for one in event["signatures"].values())
        and all(type(event.get(key)) is int for key in ("depth", "origin_server_ts"))
        and all(isinstance(event.get(key), list) for key in ("auth_events", "prev_events"))
        and all(isinstance(one, str) for key in ("auth_events", "prev_events") for one in event[key])
    )


def is_of_the_moment(edu: object) -> bool:
    """Whether something has the keys of what is of the moment (an EDU), each of its kind; whatever it says."""
    if not isinstance(edu, Mapping) or not isinstance(edu.get("content"), Mapping):
        return False
    kind, room_id = edu.get("edu_type"), edu["content"].get("room_id", "")
    # Synapse looks up the room that somebody types in before anything else.
    is_placed = kind != "m.typing" or bool(room_id)
    return isinstance(kind, str) and isinstance(room_id, str) and room_id.isprintable() and is_placed


def invitation(content: object, reserved: ReservedNames) -> dict[str, Any] | None:
    """What is taken of a request that invites; None if it cannot be read, or says more than an invitation."""
    said = content if isinstance(content, Mapping) else {}
    event, version = said.get("event"), said.get("room_version")
    if not isinstance(event, Mapping) or not is_event(event) or not isinstance(version, str):
        return None
    kept = {key: value for key, value in without_notes(event).items() if key != "unsigned"}
    if not is_plain(kept):
        return None
    shown = shown_before_joining(said.get("invite_room_state"), event["sender"], reserved)
    return {"room_version": version, "event": kept, "invite_room_state": shown}


def membership(content: object) -> dict[str, Any] | None:
    """What is taken of a request with a membership in a room of ours; None if it cannot be read, or says more."""
    if not isinstance(content, Mapping) or not is_event(content):
        return None
    kept = without_notes(content)
    allowed_by = kept["content"].get("join_authorised_via_users_server", "")
    return kept if is_plain(kept) and isinstance(allowed_by, str) else None


def asks_for_events(content: Mapping[str, Any]) -> bool:
    """Whether a question for missed events can be read."""
    ends = [content.get(key, []) for key in ("earliest_events", "latest_events")]
    return type(content.get("limit", 1)) is int and all(
        isinstance(end, list) and all(map(is_event_id, end)) for end in ends
    )


def transaction(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is taken of a transaction; None if nothing of it can be read."""
    events, moments = content.get("pdus", []), content.get("edus", [])
    if not isinstance(events, list) or not isinstance(moments, list):
        return None
    return {
        **content,
        "pdus": [event for event in events if is_event(event)],
        "edus": [edu for edu in moments if is_of_the_moment(edu)],
    }


def shown_before_joining(state: object, inviter: str, reserved: ReservedNames) -> list[dict[str, Any]]:
    """What of the state that an invitation comes with is shown to the invited side.

    Args:
        state: whatever the other server says, as whole events or as the older, stripped ones.
        inviter: who invites; of everybody's membership hers alone is shown.
        reserved: the house's names, which nobody elsewhere bears.
    """
    events = [event for event in (state if isinstance(state, Sequence) else ()) if _is_shown(event, inviter, reserved)]
    bare = [{key: event[key] for key in _STRIPPED} | {"content": _bare(event)} for event in events]
    are_whole = all("signatures" in event and _bare(event) == event["content"] for event in events)
    # Synapse checks the signatures of whole events, if all of them are.
    return [dict(event) for event in events] if are_whole else bare


def _is_shown(event: object, inviter: str, reserved: ReservedNames) -> bool:
    if not isinstance(event, Mapping) or not all(isinstance(event.get(key), str) for key in _STRIPPED[:3]):
        return False
    content = event.get("content")
    if not isinstance(content, Mapping) or server_of_user(event["sender"]) is None:
        return False
    if event["type"] == _MEMBER:
        name = content.get("displayname")
        is_named = name is None or is_shown_name(name, reserved)
        return event["state_key"] == inviter and content.get("membership") == "join" and is_named
    return event["type"] in _SHOWN and event["state_key"] == ""


def _bare(event: Mapping[str, Any]) -> dict[str, Any]:
    content = dict(event["content"])
    is_member = event["type"] == _MEMBER
    return {key: value for key, value in content.items() if not is_member or key in {"membership", "displayname"}}


def own_membership(answer: object, *, room_id: str, user_id: str, membership: str) -> dict[str, Any] | None:
    """The answer with a template for somebody's own membership event; None if it cannot be read.

    It is signed as hers, so that nothing of it is the other server's word but where in the room's history it stands.

    Args:
        answer: whatever the other server said.
        room_id: the room.
        user_id: whose membership.
        membership: ``join``, ``leave`` or ``knock``.
    """
    said = answer if isinstance(answer, Mapping) else {}
    template, version = said.get("event"), said.get("room_version")
    if not isinstance(template, Mapping) or not isinstance(version, str):
        return None
    depth, before, proofs = (template.get(key) for key in ("depth", "prev_events", "auth_events"))
    if type(depth) is not int or not 0 <= depth <= _DEEPEST or not _are_events(before) or not _are_events(proofs):
        return None
    event = {
        "type": _MEMBER,
        "room_id": room_id,
        "sender": user_id,
        "state_key": user_id,
        "content": {"membership": membership},
        "depth": depth,
        "prev_events": before,
        "auth_events": proofs,
    }
    return {"room_version": version, "event": event}


def _are_events(value: object) -> bool:
    return isinstance(value, list) and len(value) <= _MOST_EVENTS and all(map(is_event_id, value))


def _server_of(user_id: object) -> str:
    return user_id.partition(":")[2] if isinstance(user_id, str) else ""
