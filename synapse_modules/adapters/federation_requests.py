"""Closes devices, keys and profiles to other servers whom no room connects to their owner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synapse_modules.rules import between_devices, device_keys
from synapse_modules.store.common_rooms import CommonRooms


class FederationRequests:
    """The rules that stand in front of Synapse's handlers (``synapse_private.federated_requests.RequestRules``)."""

    def __init__(self, common_rooms: CommonRooms) -> None:
        self._common_rooms = common_rooms

    async def within_reach_of_server(self, server_name: str, user_ids: list[str]) -> set[str]:
        """Those of some users who share a room with somebody of a server: they are joined or invited there."""
        return await self._common_rooms.sharing_with_server(server_name, user_ids)

    async def within_reach(self, user_id: str, others: list[str]) -> set[str]:
        """Those of some users who share a room with a user: they are joined or invited there."""
        return await self._common_rooms.sharing(user_id, others) - {user_id}

    async def is_member(self, room_id: str, user_id: str) -> bool:
        """Whether a user is in a room."""
        return await self._common_rooms.is_joined(room_id, user_id)

    def for_others(self, message_type: str, content: dict[str, Any]) -> dict[str, Any] | None:
        """What of a message from device to device may go to other people's; None if nothing."""
        return between_devices.for_others(message_type, content)

    def changed_device(self, content: Mapping[str, Any]) -> dict[str, Any] | None:
        """What is taken of a change of somebody's device; None if nothing."""
        return device_keys.of_changed_device(content)

    def vouching_keys(self, user_id: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """What is taken of the keys by which somebody vouches for her devices."""
        return device_keys.of_vouching(user_id, content)
