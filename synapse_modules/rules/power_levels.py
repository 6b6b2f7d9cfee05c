"""Power levels of a room on another server: numbers alone, for what clients have a number for, enough for everybody.

Whoever sets them names the levels: a type of event that nobody knows may be any word, and so may somebody's address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# Of Matrix 1.15, and what the clients of Element, Famedly and gematik set beside it.
_EVENT_TYPES = frozenset(
    {
        "m.beacon",
        "m.beacon_info",
        "m.call",
        "m.call.answer",
        "m.call.candidates",
        "m.call.hangup",
        "m.call.invite",
        "m.call.member",
        "m.call.negotiate",
        "m.call.notify",
        "m.call.reject",
        "m.call.select_answer",
        "m.poll.end",
        "m.poll.response",
        "m.poll.start",
        "m.reaction",
        "m.room.aliases",
        "m.room.avatar",
        "m.room.bot.options",
        "m.room.canonical_alias",
        "m.room.encrypted",
        "m.room.encryption",
        "m.room.guest_access",
        "m.room.history_visibility",
        "m.room.join_rules",
        "m.room.member",
        "m.room.message",
        "m.room.name",
        "m.room.pinned_events",
        "m.room.plumbing",
        "m.room.policy",
        "m.room.power_levels",
        "m.room.redaction",
        "m.room.related_groups",
        "m.room.retention",
        "m.room.server_acl",
        "m.room.third_party_invite",
        "m.room.tombstone",
        "m.room.topic",
        "m.rtc.member",
        "m.rtc.notification",
        "m.space.child",
        "m.space.parent",
        "m.sticker",
        "m.widget",
        "com.famedly.call.member",
        "de.gematik.tim.room.casereference.v1",
        "de.gematik.tim.room.default.v1",
        "de.gematik.tim.room.name",
        "de.gematik.tim.room.topic",
        "im.ponies.room_emotes",
        "im.vector.modular.widgets",
        "io.element.voice_broadcast_info",
        "io.element.widgets.layout",
        "org.matrix.msc3381.poll.end",
        "org.matrix.msc3381.poll.response",
        "org.matrix.msc3381.poll.start",
        "org.matrix.msc3401.call",
        "org.matrix.msc3401.call.member",
        "org.matrix.msc3672.beacon",
        "org.matrix.msc3672.beacon_info",
        "org.matrix.msc4075.rtc.notification",
        "org.matrix.msc4284.policy",
    }
)
# The last one is Synapse's own, in every room that it makes.
_LEVELS = frozenset(
    {"ban", "events_default", "invite", "kick", "redact", "state_default", "users_default", "historical"}
)
_MAPS = frozenset({"events", "notifications", "users"})
# What a person does in a chat; whoever may send a deletion deletes her own messages by it.
_ALWAYS_ALLOWED = ("m.room.encrypted", "m.reaction", "m.room.redaction")


def _are_numbers(values: Iterable[object]) -> bool:
    return all(type(value) is int for value in values)


def are_numbers_alone(content: Mapping[str, Any]) -> bool:
    """Whether power levels say nothing but levels, for people and for known types of events."""
    if not content.keys() <= _LEVELS | _MAPS:
        return False
    maps = {name: content.get(name, {}) for name in _MAPS}
    return (
        _are_numbers(value for key, value in content.items() if key in _LEVELS)
        and all(isinstance(one, Mapping) and _are_numbers(one.values()) for one in maps.values())
        and set(maps["events"]) <= _EVENT_TYPES
        and set(maps["notifications"]) <= {"room"}
    )


def suffice_for_all(content: Mapping[str, Any]) -> bool:
    """Whether everybody may write, react, and delete her own messages, by levels that are numbers alone."""
    users, events = content.get("users", {}), content.get("events", {})
    lowest = min([content.get("users_default", 0), *users.values()])
    return all(events.get(kind, content.get("events_default", 0)) <= lowest for kind in _ALWAYS_ALLOWED)


def names_members_alone(content: Mapping[str, Any], members: frozenset[str]) -> bool:
    """Whether levels are set for those alone who are or were in the room or invited."""
    return set(content.get("users", {})) <= members
