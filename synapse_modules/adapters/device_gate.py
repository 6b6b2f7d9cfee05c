"""Closes devices, their keys, and profiles to everybody whom no room connects to their owner."""

from __future__ import annotations

from typing import Any

from synapse.api.errors import SynapseError

from synapse_modules.adapters.refusals import Refusals
from synapse_modules.rules import between_devices, device_keys
from synapse_modules.rules.reach import Refusal
from synapse_modules.store.common_rooms import CommonRooms


class DeviceGate:
    """The rules that stand in front of Synapse's handlers (``synapse_private.devices.DeviceRules``)."""

    def __init__(self, common_rooms: CommonRooms, refusals: Refusals) -> None:
        self._common_rooms = common_rooms
        self._refusals = refusals

    async def within_reach(self, user_id: str, others: list[str]) -> set[str]:
        """Those of some users whose devices and profile a user may see: they are joined or invited to a common room."""
        return await self._common_rooms.sharing(user_id, others)

    def for_others(self, message_type: str, content: dict[str, Any]) -> dict[str, Any] | None:
        """What of a message from device to device may go to other people's; None if nothing."""
        return between_devices.for_others(message_type, content)

    def keys_of_others(self, answer: object, asking: str) -> dict[str, Any]:
        """What of an answer to a question for keys is shown to the one who asks, of other people's."""
        return device_keys.of_query(answer, {asking})

    def claimed_keys(self, answer: object) -> dict[str, Any]:
        """What of an answer with one-time keys is shown, of other people's."""
        return device_keys.of_claim(answer)

    def profile_fixed(self) -> SynapseError:
        """What somebody is told who sets a field of a profile: beside the verified name it would be words in clear."""
        return self._refusals.error(Refusal.PROFILE_FIXED)
