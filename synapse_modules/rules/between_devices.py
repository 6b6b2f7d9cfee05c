"""What one person's device may send to another person's beside the rooms: the work of encryption, and no words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synapse_modules.rules.identifiers import (
    Form,
    is_base64,
    is_device_id,
    is_key,
    is_list_of,
    is_map_of,
    is_name,
    is_object,
    is_token,
    is_whole_number,
)

# By this, Element's crypto library finds a message again in a log.
_TRACE = {"org.matrix.msgid": is_token}
_ASKING = {"action": is_name, "requesting_device_id": is_device_id, "request_id": is_token}
_SESSION = {"algorithm": is_name, "room_id": is_token, "sender_key": is_key, "session_id": is_key}
_LETTER = is_object({"type": is_whole_number, "body": is_base64})
_WITHHELD = _SESSION | {"code": is_name, "from_device": is_device_id} | _TRACE
_STEP = {"transaction_id": is_token}
_PROPOSALS = ("key_agreement_protocols", "hashes", "message_authentication_codes", "short_authentication_string")

# The keys of each type that Matrix names (1.15), and what their values look like.
_FORMS: Mapping[str, Mapping[str, Form]] = {
    "m.room.encrypted": {"algorithm": is_name, "sender_key": is_key, "ciphertext": is_map_of(is_key, _LETTER)} | _TRACE,
    "m.dummy": _TRACE,
    "m.room_key_request": _ASKING | {"body": is_object(_SESSION)},
    "m.secret.request": _ASKING | {"name": is_name},
    "m.room_key.withheld": _WITHHELD,
    # Element's crypto library still sends the second name as well.
    "org.matrix.room_key.withheld": _WITHHELD,
    "m.key.verification.request": _STEP
    | {"from_device": is_device_id, "methods": is_list_of(is_name), "timestamp": is_whole_number},
    "m.key.verification.ready": _STEP | {"from_device": is_device_id, "methods": is_list_of(is_name)},
    "m.key.verification.start": _STEP
    | {"from_device": is_device_id, "method": is_name, "next_method": is_name, "secret": is_base64}
    | dict.fromkeys(_PROPOSALS, is_list_of(is_name)),
    "m.key.verification.accept": _STEP
    | dict.fromkeys(("method", "key_agreement_protocol", "hash", "message_authentication_code"), is_name)
    | {"short_authentication_string": is_list_of(is_name), "commitment": is_base64},
    "m.key.verification.key": _STEP | {"key": is_base64},
    "m.key.verification.mac": _STEP | {"mac": is_map_of(is_token, is_base64), "keys": is_base64},
    "m.key.verification.done": _STEP,
    "m.key.verification.cancel": _STEP | {"code": is_name},
}


def for_others(message_type: str, content: Mapping[str, Any]) -> dict[str, Any] | None:
    """What of a message may go to other people's devices; None if nothing.

    Keys that Matrix does not name are left out, as is the reason in clear with which withheld keys and ended
    verifications come; their code says the same. What does not look like what it is called goes nowhere.
    """
    forms = _FORMS.get(message_type)
    if forms is None:
        return None
    kept = {key: value for key, value in content.items() if key in forms}
    return kept if all(forms[key](value) for key, value in kept.items()) else None
