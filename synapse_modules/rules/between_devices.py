"""What one person's device may send to another person's beside the rooms: the work of encryption, and no words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_VERIFICATION = "m.key.verification."
# Element's crypto library still sends the second name as well.
_WITHHELD = frozenset({"m.room_key.withheld", "org.matrix.room_key.withheld"})
_ENCRYPTION = frozenset({"m.room.encrypted", "m.room_key_request", "m.secret.request", "m.dummy"}) | _WITHHELD


def for_others(message_type: str, content: Mapping[str, Any]) -> dict[str, Any] | None:
    """What of a message may go to other people's devices; None if nothing.

    Withheld keys and ended verifications come with a reason in clear, which is left out; their code says the same.
    """
    if message_type in _ENCRYPTION or message_type.startswith(_VERIFICATION):
        return {key: value for key, value in content.items() if key != "reason"}
    return None
