"""The keys that people publish for others to read: what a client may write beside them is what Matrix names (1.15)."""

from __future__ import annotations

from synapse_modules.rules.identifiers import (
    is_base64,
    is_device_id,
    is_list_of,
    is_map_of,
    is_name,
    is_object,
    is_token,
)


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


_is_signatures = is_map_of(is_token, is_map_of(is_token, is_base64))
_is_signed_key = is_object({"key": is_base64, "fallback": _is_switch, "signatures": _is_signatures})

is_device_keys = is_object(
    {
        "user_id": is_token,
        "device_id": is_device_id,
        "algorithms": is_list_of(is_name),
        "keys": is_map_of(is_token, is_base64),
        "signatures": _is_signatures,
        "dehydrated": _is_switch,
        # Synapse writes its own.
        "unsigned": is_object({}),
    }
)
is_one_time_keys = is_map_of(is_token, lambda key: is_base64(key) or _is_signed_key(key))
is_cross_signing_key = is_object(
    {
        "user_id": is_token,
        "usage": is_list_of(is_name),
        "keys": is_map_of(is_token, is_base64),
        "signatures": _is_signatures,
    }
)
