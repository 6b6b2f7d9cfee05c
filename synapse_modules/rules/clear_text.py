"""What stands beside the ciphertext, readable by the homeserver: nothing of it may carry a person's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import emoji

from synapse_modules.rules.identifiers import (
    is_base64,
    is_device_id,
    is_event_id,
    is_key,
    is_name,
    is_object,
    is_sending_id,
)

# What a client may need to know without the key (Matrix 1.15): a reaction is an event of its own.
_RELATIONS = frozenset({"m.replace", "m.thread", "m.reference"})
_RELATION_KEYS = frozenset({"rel_type", "event_id", "is_falling_back", "m.in_reply_to"})
# The longest sequence of Unicode's has ten code points; some keyboards add more of the invisible mark below.
_LONGEST_EMOJI = 16
_EMOJI_STYLE = "\ufe0f"
_MEMBER_KEYS = frozenset({"is_direct"})


def _is_relation(value: object) -> bool:
    if not isinstance(value, Mapping) or not value.keys() <= _RELATION_KEYS:
        return False
    kind, reply = value.get("rel_type", "m.reference"), value.get("m.in_reply_to", {})
    return (
        (isinstance(kind, str) and kind in _RELATIONS)
        and ("event_id" not in value or is_event_id(value["event_id"]))
        and isinstance(value.get("is_falling_back", False), bool)
        and isinstance(reply, Mapping)
        and reply.keys() <= {"event_id"}
        and all(map(is_event_id, reply.values()))
    )


# The cleartext part of m.room.encrypted as clients send it (Matrix 1.15, m.megolm.v1.aes-sha2), and its relation.
_has_known_keys = is_object(
    {
        "algorithm": is_name,
        "ciphertext": is_base64,
        "sender_key": is_key,
        "session_id": is_key,
        "device_id": is_device_id,
        "m.relates_to": _is_relation,
        "de.hek.sending_id": is_sending_id,
    }
)


def _is_ciphertext(content: Mapping[str, Any]) -> bool:
    return content.get("algorithm") == "m.megolm.v1.aes-sha2" and "ciphertext" in content and _has_known_keys(content)


def _is_emoji(value: object) -> bool:
    """Whether it is one emoji of Unicode's, however its keyboard marks the style."""
    return isinstance(value, str) and len(value) <= _LONGEST_EMOJI and emoji.is_emoji(value.replace(_EMOJI_STYLE, ""))


def _is_reaction(content: Mapping[str, Any]) -> bool:
    relation = content.get("m.relates_to")
    return (
        content.keys() == {"m.relates_to"}
        and isinstance(relation, Mapping)
        and relation.keys() == {"rel_type", "event_id", "key"}
        and relation["rel_type"] == "m.annotation"
        and is_event_id(relation["event_id"])
        and _is_emoji(relation["key"])
    )


def _is_deletion(content: Mapping[str, Any]) -> bool:
    is_known = content.keys() <= {"redacts", "reason"} and not content.get("reason")
    return is_known and ("redacts" not in content or is_event_id(content["redacts"]))


_FORMS = {"m.room.encrypted": _is_ciphertext, "m.reaction": _is_reaction, "m.room.redaction": _is_deletion}


def carries_no_words(event_type: str, content: Mapping[str, Any]) -> bool:
    """Whether an event that is not state has the form of ciphertext, of a reaction of one emoji, or of a deletion."""
    form = _FORMS.get(event_type)
    return form is not None and form(content)


def membership_without_words(content: Mapping[str, Any]) -> dict[str, Any]:
    """What of a membership event's content may be kept: reasons and keys of the client's own are left out.

    Names and pictures are left out as well; Synapse takes them from the verified profile.
    """
    return {key: value for key, value in content.items() if key in _MEMBER_KEYS and isinstance(value, bool)}
