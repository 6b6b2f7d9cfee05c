"""What stands beside the ciphertext, readable by the homeserver: nothing of it may carry a person's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import emoji

# The cleartext part of m.room.encrypted as clients send it (Matrix 1.15, m.megolm.v1.aes-sha2), and its relation.
_ENCRYPTED_KEYS = frozenset(
    {"algorithm", "ciphertext", "sender_key", "session_id", "device_id", "m.relates_to", "de.hek.sending_id"}
)
# The random number by which a service account recognises what it sent (messenger_core/matrix).
_SENDING_ID = re.compile(r"[0-9a-f]{32}")
# What a client may need to know without the key (Matrix 1.15): a reaction is an event of its own.
_RELATIONS = frozenset({"m.replace", "m.thread", "m.reference"})
_RELATION_KEYS = frozenset({"rel_type", "event_id", "is_falling_back", "m.in_reply_to"})
# Rooms of version 4 and later: a hash in URL-safe base64.
_EVENT_ID = re.compile(r"\$[A-Za-z0-9_-]{43}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+=*")
_TOKEN = re.compile(r"[!-~]{1,255}")
# The longest sequence of Unicode's has ten code points; some keyboards add more of the invisible mark below.
_LONGEST_EMOJI = 16
_EMOJI_STYLE = "\ufe0f"
_MEMBER_KEYS = frozenset({"is_direct"})


def _is_token(value: object) -> bool:
    return isinstance(value, str) and _TOKEN.fullmatch(value) is not None


def _is_event_id(value: object) -> bool:
    return isinstance(value, str) and _EVENT_ID.fullmatch(value) is not None


def _is_relation(value: object) -> bool:
    if not isinstance(value, Mapping) or not value.keys() <= _RELATION_KEYS:
        return False
    kind, reply = value.get("rel_type", "m.reference"), value.get("m.in_reply_to", {})
    return (
        (isinstance(kind, str) and kind in _RELATIONS)
        and ("event_id" not in value or _is_event_id(value["event_id"]))
        and isinstance(value.get("is_falling_back", False), bool)
        and isinstance(reply, Mapping)
        and reply.keys() <= {"event_id"}
        and all(map(_is_event_id, reply.values()))
    )


def _is_sending_id(value: object) -> bool:
    return isinstance(value, str) and _SENDING_ID.fullmatch(value) is not None


def _is_ciphertext(content: Mapping[str, Any]) -> bool:
    return (
        content.keys() <= _ENCRYPTED_KEYS
        and content.get("algorithm") == "m.megolm.v1.aes-sha2"
        and isinstance(content.get("ciphertext"), str)
        and _BASE64.fullmatch(content["ciphertext"]) is not None
        and all(_is_token(content.get(key, "-")) for key in ("sender_key", "session_id", "device_id"))
        and _is_relation(content.get("m.relates_to", {}))
        and _is_sending_id(content.get("de.hek.sending_id", "0" * 32))
    )


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
        and _is_event_id(relation["event_id"])
        and _is_emoji(relation["key"])
    )


def _is_deletion(content: Mapping[str, Any]) -> bool:
    is_known = content.keys() <= {"redacts", "reason"} and not content.get("reason")
    return is_known and ("redacts" not in content or _is_event_id(content["redacts"]))


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
